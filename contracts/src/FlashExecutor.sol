// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Access} from "./Access.sol";
import {Armed} from "./Armed.sol";
import {Config, IFlashExecutor} from "./IFlashExecutor.sol";
import {Pools} from "./Pools.sol";
import {Tokens} from "./Tokens.sol";
import {V2Cycle} from "./V2Cycle.sol";

/// @title Runs one flash-loan arbitrage, all or nothing
/// @notice An operator sends a packed route (docs/contracts.md has the format, adapters/evm/route.py writes it) as the
/// whole calldata, to no named function. The route either leaves the executor `minProfit` richer in its base asset,
/// and in no listed token or ether poorer, or reverts.
/// @dev A route is a line of steps. A step that makes its callee call back (flash loans, V3 swaps, the V4 unlock) takes
/// all steps after it as its callback: the callback runs them, and nothing is left when the call returns. So a cycle
/// is written from its last pool backwards, and every pool pays the next one directly.
///
/// Threat model: the operator is not trusted with funds. Whatever a route says, only listed tokens can leave, and each
/// is counted before and after. Callbacks are admitted by the transient slot of Armed, never by what they carry.
contract FlashExecutor is Access {
    address private immutable poolManager;
    address private immutable balancerVault;
    address private immutable aavePool;
    address private immutable weth;

    // The head of a route, 18 bytes: what the base asset is and whether there is a bid (uint8), last block (uint32),
    // minimum profit and bid (uint96, in the base asset's smallest unit), tokens (uint4), other addresses (uint4). Then
    // the table, 20 bytes a row. No function of IFlashExecutor has a selector that begins with a byte below 0x20.
    uint256 private constant BASE_IS_ROW = 1; // the table's first token
    uint256 private constant BASE_IS_WETH = 2;
    uint256 private constant HAS_BID = 4;
    uint256 private constant IS_V2_CYCLE = 8; // no tokens, table and steps: see V2Cycle; the base asset as with 2
    uint256 private constant LAST_ROUTE = type(uint256).max >> 3;
    uint256 private constant LONGEST = 0x7fff; // bytes; where a callback goes on has 16 bits of the armed word
    uint256 private constant COUNTS = 17;
    uint256 private constant TABLE = 18;

    // A frame's note that the base asset is the wrapped native token: beyond a byte, to be told with an index in one
    // comparison.
    uint256 private constant COUNTED_WETH = 0x100;

    // Indices beyond the table.
    uint256 private constant WETH = 0xfb;
    uint256 private constant NOBODY = 0xfc; // the zero address: ether; no hooks; leave it with the manager
    uint256 private constant BALANCER_VAULT = 0xfd;
    uint256 private constant POOL_MANAGER = 0xfe;
    uint256 private constant SELF = 0xff;

    // Steps: the low seven bits of their first byte. The top bit is the direction, where there is one.
    uint256 private constant TRANSFER = 0x01;
    uint256 private constant V2_SWAP = 0x02;
    uint256 private constant V2_PAID_SWAP = 0x03;
    uint256 private constant V2_FLASH = 0x04;
    uint256 private constant V3_SWAP = 0x05;
    uint256 private constant V4_UNLOCK = 0x06;
    uint256 private constant V4_TAKE = 0x07;
    uint256 private constant V4_PAY = 0x08;
    uint256 private constant V4_SWAP = 0x09;
    uint256 private constant V4_SYNC = 0x0a;
    uint256 private constant V4_SETTLE = 0x0b;
    uint256 private constant BALANCER_SWAP = 0x0c;
    uint256 private constant BALANCER_LOAN = 0x0d;
    uint256 private constant AAVE_LOAN = 0x0e;
    uint256 private constant ERC3156_LOAN = 0x0f;
    uint256 private constant WRAP = 0x10;
    uint256 private constant UNWRAP = 0x11;
    uint256 private constant DEADLINE = 0x12;
    uint256 private constant PARENT = 0x13;
    uint256 private constant BID = 0x14;
    uint256 private constant V4_LOAN = 0x15;

    // The lower 16 bits of the armed word: where the callback has its `bytes` argument, and what it must answer.
    uint256 private constant V2_CALLBACK = 0x6400;
    uint256 private constant V3_CALLBACK = 0x4400;
    uint256 private constant V4_CALLBACK = 0x0400 | REPLY_EMPTY_BYTES;
    uint256 private constant BALANCER_CALLBACK = 0x6400;
    uint256 private constant AAVE_CALLBACK = 0x8400 | REPLY_TRUE;
    uint256 private constant ERC3156_CALLBACK = 0x8400 | REPLY_ERC3156;
    uint256 private constant REPLY_EMPTY_BYTES = 0x20; // the first word of the answer itself
    uint256 private constant REPLY_TRUE = 0x01; // likewise
    uint256 private constant REPLY_ERC3156 = 0xff;

    /// @param owner_ the one that withdraws and names operators; not zero
    /// @param operator_ the first operator; zero for none yet
    /// @param config the chain's contracts; only `weth` must not be zero
    constructor(address owner_, address operator_, Config memory config) Access(owner_, operator_) {
        if (config.weth == address(0)) revert IFlashExecutor.ZeroAddress();
        poolManager = config.poolManager;
        balancerVault = config.balancerVault;
        aavePool = config.aavePool;
        weth = config.weth;
    }

    /// @notice Takes ether: from the wrapped native token, from pools, from anyone.
    receive() external payable {}

    /// @notice Goes on with the route that runs (the armed caller), runs the route that is the calldata (operators), or
    /// answers a function of IFlashExecutor.
    /// @dev A route is no argument of a function: selector, offset and length would cost 344 gas of calldata. And one entry
    /// serves the callbacks of every fork, whatever it called them: what admits a callback is not its name.
    fallback() external payable {
        uint256 armed = Armed.word();
        if (armed != 0) {
            if (armed & V2Cycle.CALLBACK != 0) V2Cycle.pay(armed, weth);
            _resume(armed);
        } else {
            uint256 head = _word(0);
            if (head > LAST_ROUTE) _answer();
            _begin(head);
        }
    }

    /// @dev Does not return.
    function _answer() private {
        if (msg.value != 0) revert IFlashExecutor.UnknownCall();
        bytes memory answer = msg.sig == IFlashExecutor.config.selector
            ? abi.encode(Config(poolManager, balancerVault, aavePool, weth))
            : _administer();
        assembly ("memory-safe") {
            return(add(answer, 0x20), mload(answer))
        }
    }

    // The run from outside.

    /// @dev Does not return. Conditions that nearly always hold share a branch, and the base asset's two readings are
    /// written out, because each branch, call and return costs every run 20 to 40 gas.
    function _begin(uint256 head) private {
        unchecked {
            bool refused;
            bool permitted = _allowed(msg.sender);
            assembly ("memory-safe") {
                let late := gt(number(), shr(224, calldataload(1)))
                refused := or(iszero(permitted), or(late, gt(calldatasize(), LONGEST)))
            }
            if (refused) {
                if (!permitted) revert IFlashExecutor.Unauthorized();
                if (msg.data.length > LONGEST) revert IFlashExecutor.BadRoute();
                revert IFlashExecutor.Expired();
            }
            uint256 profit = _word(5) >> 160;
            uint256 etherBefore = address(this).balance;
            address base = weth;
            uint256 before;
            if (head & ((BASE_IS_WETH | IS_V2_CYCLE) << 248) != 0) {
                bool ok;
                assembly ("memory-safe") {
                    mstore(0x00, 0x70a08231) // balanceOf(address)
                    mstore(0x20, address())
                    ok := and(gt(returndatasize(), 0x1f), staticcall(gas(), base, 0x1c, 0x24, 0x00, 0x20))
                    before := mload(0x00)
                }
                if (!ok) revert IFlashExecutor.NotAToken(base);
                if (head & (IS_V2_CYCLE << 248) != 0) V2Cycle.flash(head, profit);
                else _runCounted(0, COUNTED_WETH, head);
            } else {
                if (head & (BASE_IS_ROW << 248) == 0 || _byte(COUNTS, head) < 0x10) revert IFlashExecutor.BadRoute();
                base = _row(TABLE, 0);
                before = Tokens.balance(base);
                // The sum below must not wrap. The wrapped native token's cannot: there is not that much ether.
                if (before + profit < profit) revert IFlashExecutor.BalanceTooLow(base, before, type(uint256).max);
                _runCounted(1, 0, head);
            }

            // A pool that was armed and did not call back still may, but not from here on: all that follows is static
            // until the slot is cleared.
            bool low;
            uint256 needed = before + profit;
            assembly ("memory-safe") {
                mstore(0x00, 0x70a08231) // balanceOf(address)
                mstore(0x20, address())
                low := 1 // and ether is told apart below
                if base {
                    low := iszero(and(gt(returndatasize(), 0x1f), staticcall(gas(), base, 0x1c, 0x24, 0x00, 0x20)))
                }
                low := or(low, or(lt(mload(0x00), needed), lt(selfbalance(), etherBefore)))
            }
            if (low) {
                _check(base, Tokens.balance(base), needed);
                _check(address(0), address(this).balance, etherBefore);
            }
            if (head & (HAS_BID << 248) != 0) _payBid(base, profit);
            assembly ("memory-safe") {
                tstore(0, 0) // Armed
                stop()
            }
        }
    }

    /// @dev Pays the builder last, because it hands control to it; the lock still holds. The bid comes out of the profit.
    function _payBid(address base, uint256 profit) private {
        // The BID step is the route's last, 13 bytes.
        uint256 step = _word(msg.data.length - 13);
        uint256 bid = uint96(step >> 152);
        if (step >> 248 != BID || bid > profit) revert IFlashExecutor.BadRoute();
        Armed.set(Armed.RUNNING); // nobody calls back any more
        if (base == weth) Pools.unwrap(base, bid);
        else if (base != address(0)) revert IFlashExecutor.BidNotInEther();
        if (!Tokens.sendEther(block.coinbase, bid)) revert IFlashExecutor.BidRefused();
    }

    /// @dev Runs the route's steps in the outermost frame, and counts the tokens from row `first` on before and after.
    function _runCounted(uint256 first, uint256 counted, uint256 head) private {
        unchecked {
            uint256 counts = _byte(COUNTS, head);
            if (counts < 0x10) return _start(TABLE + 20 * counts, counted);
            uint256 tokens = counts >> 4;
            _startCounted(first, tokens, TABLE + 20 * (tokens + (counts & 0x0f)), counted);
        }
    }

    /// @dev The stack keeps the counts, so that memory is left to the calls.
    function _startCounted(uint256 first, uint256 tokens, uint256 steps, uint256 counted) private {
        unchecked {
            if (first == tokens) return _start(steps, counted);
            address token = _row(TABLE, first);
            uint256 before = Tokens.balance(token);
            _startCounted(first + 1, tokens, steps, counted);
            _check(token, Tokens.balance(token), before);
        }
    }

    /// @dev The lock, from before the first call that is not static; a first step that arms its callee locks as well.
    function _start(uint256 at, uint256 counted) private {
        unchecked {
            uint256 word = _word(at);
            if (_step(word) - V2_FLASH < V4_TAKE - V2_FLASH) return _lend(TABLE, word, at, msg.data.length, counted);
            Armed.set(Armed.RUNNING);
            _run(TABLE, at, msg.data.length, counted);
        }
    }

    function _check(address token, uint256 balance, uint256 needed) private pure {
        if (balance < needed) revert IFlashExecutor.BalanceTooLow(token, balance, needed);
    }

    // The callbacks.

    function _resume(uint256 armed) private {
        unchecked {
            // 4 for the selector, 32 for the length
            uint256 start = _word(_byte(30, armed)) + 36;
            uint256 size = _word(start - 32);
            if (!Armed.admits(armed, start, size)) revert IFlashExecutor.NotArmed();
            Armed.set(Armed.RUNNING);
            _run(start + 1, start + uint16(armed >> 16), start + size, (armed >> 24) & COUNTED_WETH);
        }
        uint256 reply = armed & 0xff;
        if (reply == REPLY_ERC3156) reply = uint256(keccak256("ERC3156FlashBorrower.onFlashLoan"));
        assembly ("memory-safe") {
            // Who wants to hear nothing does not listen; an empty `bytes` is two words.
            mstore(0x00, reply)
            mstore(0x20, 0)
            return(0x00, 0x40)
        }
    }

    // The steps.

    /// @dev Runs the steps in calldata from `at` to `end`, of the route whose table begins at `rows`. A tree of
    /// comparisons with the frequent steps near its root, and one word read a step.
    /// @param counted COUNTED_WETH where the base asset is the wrapped native token, else 0
    function _run(uint256 rows, uint256 at, uint256 end, uint256 counted) private {
        unchecked {
            uint256 loan; // the V4 loan step that this frame pays back in the end
            uint256 last; // what the last swap of this frame gave, in its token's smallest unit
            while (at < end) {
                uint256 word = _word(at);
                uint256 step = _step(word);
                if (step < V2_FLASH) {
                    if (step == V2_PAID_SWAP) {
                        Pools.paySwapV2(
                            _token(rows, word, counted), _row(rows, _byte(2, word)), word, _third(rows, word)
                        );
                        at += 32;
                    } else if (step == V2_SWAP) {
                        Pools.swapV2(_row(rows, _byte(1, word)), word >> 255, uint112(word >> 120), _second(rows, word));
                        at += 17;
                    } else if (step == TRANSFER) {
                        Tokens.transfer(_token(rows, word, counted), _second(rows, word), uint128(word >> 104));
                        at += 19;
                    } else {
                        revert IFlashExecutor.UnknownStep(step);
                    }
                } else if (step < V4_TAKE) {
                    _lend(rows, word, at, end, counted);
                    if (loan == 0) return;
                    at = end;
                } else if (step == V4_LOAN) {
                    loan = word; // one a frame: the manager would not let another go unpaid
                    Pools.takeV4(poolManager, _token(rows, word, counted), address(this), uint128(word >> 112));
                    at += 18;
                } else if (step == V4_TAKE) {
                    Pools.takeOwedV4(poolManager, _first(rows, word), _second(rows, word), uint128(word >> 104));
                    at += 19;
                } else if (step == V4_PAY) {
                    // Ether needs no listing: it is counted in every run.
                    if (_byte(1, word) == NOBODY) Pools.settleV4(poolManager, uint128(word >> 112));
                    else Pools.payV4(poolManager, _token(rows, word, counted), uint128(word >> 112));
                    at += 18;
                } else if (step < BALANCER_SWAP) {
                    if (step == V4_SWAP) {
                        last = _swapV4(rows, word, last);
                        at += 27;
                    } else if (step == V4_SYNC) {
                        Pools.syncV4(poolManager, _first(rows, word));
                        at += 2;
                    } else {
                        Pools.settleV4(poolManager, 0);
                        at += 1;
                    }
                } else if (step == BALANCER_SWAP) {
                    last = _swapBalancer(rows, word, _word(at + 20), last, counted);
                    at += 52;
                } else if (step < WRAP) {
                    _loan(rows, word, at, end, counted);
                    if (loan == 0) return;
                    at = end;
                } else {
                    at += _stepOther(rows, word, at, counted);
                }
            }
            if (at != end) revert IFlashExecutor.BadRoute();
            if (loan != 0) Pools.payV4(poolManager, _token(rows, loan, counted), uint128(loan >> 112));
        }
    }

    /// @dev The steps whose callee pays before it calls back, without an approval.
    function _lend(uint256 rows, uint256 word, uint256 at, uint256 end, uint256 counted) private {
        unchecked {
            uint256 start = rows - 1;
            uint256 size = end - start;
            uint256 low = ((at - start) << 16) | (counted << 24);
            uint256 step = _step(word);
            if (step == V4_UNLOCK) return Pools.unlockV4(poolManager, start, size, low + ((1 << 16) | V4_CALLBACK));
            address pool = _row(rows, _byte(1, word));
            if (step == V2_FLASH) {
                return
                    Pools.flashV2(
                        pool, word >> 255, uint112(word >> 128), start, size, low + ((16 << 16) | V2_CALLBACK)
                    );
            }
            low += (19 << 16) | V3_CALLBACK;
            Pools.swapV3(pool, word >> 255, uint128(word >> 104), _second(rows, word), start, size, low);
        }
    }

    /// @dev Returns the step's size.
    function _stepOther(uint256 rows, uint256 word, uint256 at, uint256 counted) private returns (uint256) {
        unchecked {
            uint256 step = _step(word);
            if (step == WRAP) {
                Pools.wrap(weth, uint128(word >> 120));
                return 17;
            }
            if (step == UNWRAP) {
                if (_token(rows, word, counted) != weth) revert IFlashExecutor.NotListed(_byte(1, word));
                Pools.unwrap(weth, uint128(word >> 112));
                return 18;
            }
            if (step == DEADLINE) {
                if (block.timestamp > uint32(word >> 216)) revert IFlashExecutor.Expired();
                return 5;
            }
            if (step == PARENT) {
                if (uint256(blockhash(block.number - 1)) != _word(at + 1)) revert IFlashExecutor.WrongParent();
                return 33;
            }
            if (step == BID) return 13; // paid in the end
            revert IFlashExecutor.UnknownStep(step);
        }
    }

    function _swapV4(uint256 rows, uint256 word, uint256 last) private returns (uint256 out) {
        unchecked {
            address currency0 = _first(rows, word);
            address currency1 = _second(rows, word);
            uint256 amount = uint128(word >> 40);
            if (amount != 0) last = amount;
            out = Pools.swapV4(
                poolManager,
                currency0,
                currency1,
                uint24(word >> 208),
                uint24(word >> 184),
                _address(rows, _byte(9, word)),
                word >> 255,
                last
            );
            address to = _address(rows, _byte(10, word));
            if (to != address(0)) Pools.takeV4(poolManager, word >> 255 == 0 ? currency0 : currency1, to, out);
        }
    }

    function _swapBalancer(uint256 rows, uint256 word, uint256 poolId, uint256 last, uint256 counted)
        private
        returns (uint256 out)
    {
        unchecked {
            address token = _token(rows, word, counted);
            uint256 amount = uint128(word >> 96);
            if (amount == 0) amount = last;
            Tokens.approve(token, balancerVault, amount);
            out = Pools.swapBalancer(balancerVault, poolId, token, _second(rows, word), amount, _third(rows, word));
            Tokens.clearAllowance(token, balancerVault);
        }
    }

    function _loan(uint256 rows, uint256 word, uint256 at, uint256 end, uint256 counted) private {
        unchecked {
            uint256 step = _step(word);
            uint256 start = rows - 1;
            uint256 low = ((at - start) << 16) | (counted << 24);
            address token = _token(rows, word, counted);
            if (step == BALANCER_LOAN) {
                low += (18 << 16) | BALANCER_CALLBACK;
                return Pools.loanBalancer(balancerVault, token, uint128(word >> 112), start, end - start, low);
            }
            address lender;
            if (step == AAVE_LOAN) {
                lender = aavePool;
                Tokens.approve(token, lender, _word(at + 18) >> 128);
                low += (34 << 16) | AAVE_CALLBACK;
                Pools.loanAave(lender, token, uint128(word >> 112), start, end - start, low);
                return Tokens.clearAllowance(token, lender);
            }
            lender = _second(rows, word);
            Tokens.approveChecked(token, lender, _word(at + 19) >> 128);
            low += (35 << 16) | ERC3156_CALLBACK;
            Pools.loanErc3156(lender, token, uint128(word >> 104), start, end - start, low);
            Tokens.clearChecked(token, lender);
        }
    }

    // Reading the route, in calldata.

    function _word(uint256 at) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := calldataload(at)
        }
    }

    /// @dev Byte `index`, from the left.
    function _byte(uint256 index, uint256 word) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(index, word)
        }
    }

    /// @dev Which step it is: its first byte without the direction.
    function _step(uint256 word) private pure returns (uint256) {
        return (word >> 248) & 0x7f;
    }

    function _row(uint256 rows, uint256 index) private pure returns (address) {
        unchecked {
            return address(uint160(_word(rows + 20 * index) >> 96));
        }
    }

    /// @dev The address that a step's second byte means.
    function _first(uint256 rows, uint256 word) private view returns (address) {
        return _address(rows, _byte(1, word));
    }

    /// @dev The address that a step's third byte means.
    function _second(uint256 rows, uint256 word) private view returns (address) {
        return _address(rows, _byte(2, word));
    }

    /// @dev The address that a step's fourth byte means.
    function _third(uint256 rows, uint256 word) private view returns (address) {
        return _address(rows, _byte(3, word));
    }

    /// @dev An index past the table reads what is there: pools and receivers are for the operator to name, so a wrong
    /// one is no danger.
    function _address(uint256 rows, uint256 index) private view returns (address) {
        if (index < WETH) return _row(rows, index);
        if (index == WETH) return weth;
        if (index == SELF) return address(this);
        if (index == POOL_MANAGER) return poolManager;
        if (index == BALANCER_VAULT) return balancerVault;
        return address(0);
    }

    /// @dev The token that a step's second byte means: one that is counted at the route's end.
    function _token(uint256 rows, uint256 word, uint256 counted) private view returns (address) {
        unchecked {
            uint256 index = _byte(1, word);
            if (index | counted == WETH | COUNTED_WETH) return weth;
            if (index >= _word(rows - 1) >> 252) revert IFlashExecutor.NotListed(index);
            return _row(rows, index);
        }
    }
}
