// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Access} from "./Access.sol";
import {Armed} from "./Armed.sol";
import {Pools} from "./Pools.sol";
import {Tokens} from "./Tokens.sol";

/// @notice The chain's contracts that routes may name without spelling them out; zero where a chain has none.
struct Config {
    /// Uniswap V4's PoolManager.
    address poolManager;
    /// Balancer V2's Vault.
    address balancerVault;
    /// Aave V3's Pool.
    address aavePool;
    /// The wrapped native token, WETH9 or alike.
    address weth;
}

/// @title Runs one flash-loan arbitrage, all or nothing
/// @notice An operator sends a packed route (docs/contracts.md has the format, adapters/evm/route.py writes it) as the
/// whole calldata, to no named function. The route either leaves the executor `minProfit` richer in its base asset,
/// and in no listed token or ether poorer, or reverts.
/// @dev A route is a line of steps. A step that makes its callee call back (flash loans, V3 swaps, the V4 unlock) takes
/// all steps after it as its callback: the callback runs them, and nothing is left when the call returns. So a cycle
/// is written from its last pool backwards, and every pool pays the next one directly.
///
/// Threat model: the operator is not trusted with funds. Whatever a route says, only listed tokens can leave, and each
/// is counted before and after. Callbacks are admitted by the transient slots of Armed, never by what they carry.
contract FlashExecutor is Access {
    /// @notice Uniswap V4's PoolManager.
    address public immutable poolManager;
    /// @notice Balancer V2's Vault.
    address public immutable balancerVault;
    /// @notice Aave V3's Pool.
    address public immutable aavePool;
    /// @notice The wrapped native token.
    address public immutable weth;

    /// @notice The first byte of a route. No function of this contract has a selector that begins with it.
    uint256 public constant ROUTE_VERSION = 1;

    // The head of a route: where each field begins.
    uint256 private constant MAX_BLOCK = 1; // uint32, block number
    uint256 private constant DEADLINE = 5; // uint32, seconds since 1970
    uint256 private constant MIN_PROFIT = 9; // uint128, in the base asset's smallest unit
    uint256 private constant BID = 25; // uint128, wei to the block's builder
    uint256 private constant COUNTS = 41; // uint4 tokens, uint4 other addresses
    uint256 private constant TABLE = 42; // 20 bytes each

    // Indices beyond the table.
    uint256 private constant NOBODY = 0xfc; // the zero address: ether; no hooks; leave it with the manager
    uint256 private constant BALANCER_VAULT = 0xfd;
    uint256 private constant POOL_MANAGER = 0xfe;
    uint256 private constant SELF = 0xff;

    // Steps: the low seven bits of their first byte. The top bit is the direction, where there is one.
    uint256 private constant TRANSFER = 0x01;
    uint256 private constant V2_SWAP = 0x02;
    uint256 private constant V2_FLASH = 0x03;
    uint256 private constant V3_SWAP = 0x04;
    uint256 private constant V4_UNLOCK = 0x05;
    uint256 private constant V4_SWAP = 0x06;
    uint256 private constant V4_TAKE = 0x07;
    uint256 private constant V4_SYNC = 0x08;
    uint256 private constant V4_SETTLE = 0x09;
    uint256 private constant V4_PAY = 0x0a;
    uint256 private constant BALANCER_SWAP = 0x0b;
    uint256 private constant BALANCER_LOAN = 0x0c;
    uint256 private constant AAVE_LOAN = 0x0d;
    uint256 private constant ERC3156_LOAN = 0x0e;
    uint256 private constant WRAP = 0x0f;
    uint256 private constant UNWRAP = 0x10;
    uint256 private constant PARENT = 0x11;

    // Where the `bytes` argument of a callback has its head.
    uint256 private constant FIRST_ARGUMENT = 0x04;
    uint256 private constant THIRD_ARGUMENT = 0x44;
    uint256 private constant FOURTH_ARGUMENT = 0x64;
    uint256 private constant FIFTH_ARGUMENT = 0x84;

    // What a callback's caller wants to hear.
    uint256 private constant REPLY_NOTHING = 0;
    uint256 private constant REPLY_EMPTY_BYTES = 1;
    uint256 private constant REPLY_TRUE = 2;
    uint256 private constant REPLY_ERC3156 = 3;

    /// @notice The route is not of this version, has no base asset, or does not end with its last step.
    error BadRoute();
    /// @notice The route names a step that does not exist.
    error UnknownStep(uint256 step);
    /// @notice The block's number is beyond the route's last block, or its time beyond the deadline.
    error Expired();
    /// @notice The parent block is not the one the route was made on.
    error WrongParent();
    /// @notice A token would leave that the route does not list. `index` is its place in the table.
    error NotListed(uint256 index);
    /// @notice The caller may not call back, or brings another route.
    error NotArmed();
    /// @notice A pool or lender did not call back.
    error NotCalledBack();
    /// @notice The executor would end with less of `token` (zero: ether) than it must, in its smallest unit.
    error BalanceTooLow(address token, uint256 balance, uint256 needed);
    /// @notice A builder is bid for, and the base asset is neither ether nor the wrapped native token.
    error BidNotInEther();
    /// @notice The builder did not take its payment.
    error BidRefused();

    /// @param owner_ the one that withdraws and names operators; not zero
    /// @param operator_ the first operator; zero for none yet
    /// @param config the chain's contracts; only `weth` must not be zero
    constructor(address owner_, address operator_, Config memory config) Access(owner_, operator_) {
        if (config.weth == address(0)) revert ZeroAddress();
        poolManager = config.poolManager;
        balancerVault = config.balancerVault;
        aavePool = config.aavePool;
        weth = config.weth;
    }

    /// @notice Takes ether: from the wrapped native token, from pools, from anyone.
    receive() external payable {}

    /// @notice Runs the route that is the calldata (operators), or goes on with it (the armed caller).
    /// @dev Not a function with a name: selector, offset and length of a `bytes` argument would cost 300 gas. And one
    /// entry serves the callbacks of every fork, whatever it called them: what admits a callback is not its name.
    fallback() external payable {
        uint256 hash = Armed.route();
        if (hash == 0) _begin();
        else _resume(hash);
    }

    // The run from outside.

    function _begin() private {
        if (!isOperator[msg.sender]) revert Unauthorized();
        uint256 tokens = _byte(COUNTS) >> 4;
        if (_byte(0) != ROUTE_VERSION || tokens == 0) revert BadRoute();
        if (block.number > _uint32(MAX_BLOCK) || block.timestamp > _uint32(DEADLINE)) revert Expired();
        Armed.setRoute(_hash(0, msg.data.length));

        uint256 etherBefore = address(this).balance;
        uint256 before = _balances(tokens);
        _run(0, _steps(0), msg.data.length);
        if (Armed.armed() != 0) revert NotCalledBack();

        uint256 bid = _uint128(BID);
        for (uint256 i = 0; i < tokens; ++i) {
            address token = _entry(0, i);
            uint256 needed = _word(before, i);
            if (i == 0) needed += _uint128(MIN_PROFIT) + bid;
            uint256 balance = Tokens.balance(token);
            if (balance < needed) revert BalanceTooLow(token, balance, needed);
        }
        if (address(this).balance < etherBefore) {
            revert BalanceTooLow(address(0), address(this).balance, etherBefore);
        }
        if (bid != 0) _payBuilder(bid);
        Armed.setRoute(0);
    }

    /// @dev Last, because it hands control to the builder; the lock still holds. The profit covers it, as was checked.
    function _payBuilder(uint256 bid) private {
        address base = _entry(0, 0);
        if (base == weth) Pools.unwrap(base, bid);
        else if (base != address(0)) revert BidNotInEther();
        if (!Tokens.sendEther(block.coinbase, bid)) revert BidRefused();
    }

    // The callbacks.

    function _resume(uint256 hash) private {
        uint256 word = Armed.armed();
        uint256 start;
        uint256 size;
        assembly ("memory-safe") {
            // 4 for the selector, 32 for the length
            start := add(calldataload(and(shr(176, word), 0xff)), 36)
            size := calldataload(sub(start, 32))
        }
        if (address(uint160(word)) != msg.sender || _hash(start, size) != hash) revert NotArmed();
        Armed.disarm();
        unchecked {
            _run(start, start + ((word >> 160) & 0xffff), start + size);
        }
        uint256 reply = word >> 184;
        if (reply == REPLY_NOTHING) return;
        bytes32 answer = bytes32(uint256(0x20));
        if (reply == REPLY_TRUE) answer = bytes32(uint256(1));
        else if (reply == REPLY_ERC3156) answer = keccak256("ERC3156FlashBorrower.onFlashLoan");
        assembly ("memory-safe") {
            mstore(0x00, answer)
            mstore(0x20, 0)
            return(0x00, 0x40)
        }
    }

    // The steps.

    /// @dev Runs the steps in calldata from `at` to `end`, of the route that begins at `start`.
    function _run(uint256 start, uint256 at, uint256 end) private {
        unchecked {
            uint256 last; // what the last swap of this frame gave, in its token's smallest unit
            while (at < end) {
                uint256 head = _byte(at);
                uint256 step = head & 0x7f;
                bool direction = head > 0x7f;
                if (step == TRANSFER) {
                    Tokens.transfer(_token(start, at + 1), _address(start, at + 2), _uint128(at + 3));
                    at += 19;
                } else if (step == V2_SWAP) {
                    Pools.swapV2(
                        _address(start, at + 1), direction, _uint128(at + 3), _address(start, at + 2), 0, 0
                    );
                    at += 19;
                } else if (step == V2_FLASH) {
                    address pair = _address(start, at + 1);
                    Armed.arm(pair, at + 18 - start, FOURTH_ARGUMENT, REPLY_NOTHING);
                    return Pools.swapV2(pair, direction, _uint128(at + 2), address(this), start, end - start);
                } else if (step == V3_SWAP) {
                    address pool = _address(start, at + 1);
                    Armed.arm(pool, at + 19 - start, THIRD_ARGUMENT, REPLY_NOTHING);
                    return
                        Pools.swapV3(
                            pool, direction, _uint128(at + 3), _address(start, at + 2), start, end - start
                        );
                } else if (step == V4_UNLOCK) {
                    Armed.arm(poolManager, at + 1 - start, FIRST_ARGUMENT, REPLY_EMPTY_BYTES);
                    return Pools.unlockV4(poolManager, start, end - start);
                } else if (step <= V4_PAY && step != 0) {
                    (at, last) = _stepV4(start, at, step, direction, last);
                } else if (step == BALANCER_SWAP) {
                    last = _swapBalancer(start, at, last);
                    at += 52;
                } else if (step == BALANCER_LOAN) {
                    Armed.arm(balancerVault, at + 18 - start, FOURTH_ARGUMENT, REPLY_NOTHING);
                    return Pools.loanBalancer(
                        balancerVault, _address(start, at + 1), _uint128(at + 2), start, end - start
                    );
                } else if (step == AAVE_LOAN) {
                    return _loanAave(start, at, end);
                } else if (step == ERC3156_LOAN) {
                    return _loanErc3156(start, at, end);
                } else if (step == WRAP) {
                    Pools.wrap(weth, _uint128(at + 1));
                    at += 17;
                } else if (step == UNWRAP) {
                    if (_token(start, at + 1) != weth) revert NotListed(_byte(at + 1));
                    Pools.unwrap(weth, _uint128(at + 2));
                    at += 18;
                } else if (step == PARENT) {
                    if (uint256(blockhash(block.number - 1)) != _uint256(at + 1)) revert WrongParent();
                    at += 33;
                } else {
                    revert UnknownStep(head);
                }
            }
            if (at != end) revert BadRoute();
        }
    }

    function _stepV4(uint256 start, uint256 at, uint256 step, bool direction, uint256 last)
        private
        returns (uint256, uint256)
    {
        unchecked {
            if (step == V4_SWAP) return (at + 27, _swapV4(start, at, direction, last));
            if (step == V4_SETTLE) {
                Pools.settleV4(poolManager, 0);
                return (at + 1, last);
            }
            address currency = _address(start, at + 1);
            if (step == V4_SYNC) {
                Pools.syncV4(poolManager, currency);
                return (at + 2, last);
            }
            if (step == V4_TAKE) {
                uint256 amount = _uint128(at + 3);
                if (amount == 0) amount = Pools.creditV4(poolManager, currency);
                Pools.takeV4(poolManager, currency, _address(start, at + 2), amount);
                return (at + 19, last);
            }
            // V4_PAY. Ether needs no listing: it is counted in every run.
            if (currency == address(0)) {
                Pools.settleV4(poolManager, _uint128(at + 2));
            } else {
                Pools.syncV4(poolManager, currency);
                Tokens.transfer(_token(start, at + 1), poolManager, _uint128(at + 2));
                Pools.settleV4(poolManager, 0);
            }
            return (at + 18, last);
        }
    }

    function _swapV4(uint256 start, uint256 at, bool direction, uint256 last) private returns (uint256 out) {
        unchecked {
            uint256[5] memory pool;
            pool[0] = uint160(_address(start, at + 1));
            pool[1] = uint160(_address(start, at + 2));
            pool[2] = _uint256(at + 3) >> 232;
            pool[3] = _uint256(at + 6) >> 232;
            pool[4] = uint160(_address(start, at + 9));
            uint256 amount = _uint128(at + 11);
            out = Pools.swapV4(poolManager, pool, direction, amount == 0 ? last : amount);
            address to = _address(start, at + 10);
            if (to != address(0)) Pools.takeV4(poolManager, address(uint160(pool[direction ? 1 : 0])), to, out);
        }
    }

    function _swapBalancer(uint256 start, uint256 at, uint256 last) private returns (uint256 out) {
        unchecked {
            address token = _token(start, at + 1);
            uint256 amount = _uint128(at + 4);
            if (amount == 0) amount = last;
            Tokens.approve(token, balancerVault, amount);
            out = Pools.swapBalancer(
                balancerVault,
                _uint256(at + 20),
                token,
                _address(start, at + 2),
                amount,
                _address(start, at + 3)
            );
            Tokens.clearAllowance(token, balancerVault);
        }
    }

    function _loanAave(uint256 start, uint256 at, uint256 end) private {
        unchecked {
            address token = _token(start, at + 1);
            Tokens.approve(token, aavePool, _uint128(at + 18));
            Armed.arm(aavePool, at + 34 - start, FIFTH_ARGUMENT, REPLY_TRUE);
            Pools.loanAave(aavePool, token, _uint128(at + 2), start, end - start);
            Tokens.clearAllowance(token, aavePool);
        }
    }

    function _loanErc3156(uint256 start, uint256 at, uint256 end) private {
        unchecked {
            address token = _token(start, at + 1);
            address lender = _address(start, at + 2);
            Tokens.approve(token, lender, _uint128(at + 19));
            Armed.arm(lender, at + 35 - start, FIFTH_ARGUMENT, REPLY_ERC3156);
            Pools.loanErc3156(lender, token, _uint128(at + 3), start, end - start);
            Tokens.clearAllowance(token, lender);
        }
    }

    // Reading the route, in calldata.

    function _uint256(uint256 at) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := calldataload(at)
        }
    }

    function _uint128(uint256 at) private pure returns (uint256) {
        return _uint256(at) >> 128;
    }

    function _uint32(uint256 at) private pure returns (uint256) {
        return _uint256(at) >> 224;
    }

    function _byte(uint256 at) private pure returns (uint256) {
        return _uint256(at) >> 248;
    }

    /// @dev Where the steps begin: after the table.
    function _steps(uint256 start) private pure returns (uint256) {
        unchecked {
            uint256 counts = _byte(start + COUNTS);
            return start + TABLE + 20 * ((counts >> 4) + (counts & 0x0f));
        }
    }

    /// @dev Row `index` of the table.
    function _entry(uint256 start, uint256 index) private pure returns (address) {
        unchecked {
            return address(uint160(_uint256(start + TABLE + 20 * index) >> 96));
        }
    }

    /// @dev The address that the index at `at` means. An index past the table reads what is there: pools and receivers
    /// are for the operator to name, so a wrong one is no danger.
    function _address(uint256 start, uint256 at) private view returns (address) {
        uint256 index = _byte(at);
        if (index < NOBODY) return _entry(start, index);
        if (index == SELF) return address(this);
        if (index == POOL_MANAGER) return poolManager;
        if (index == BALANCER_VAULT) return balancerVault;
        return address(0);
    }

    /// @dev The token that the index at `at` means: one that the route lists, so one that is counted at its end.
    function _token(uint256 start, uint256 at) private pure returns (address) {
        unchecked {
            uint256 index = _byte(at);
            if (index >= _byte(start + COUNTS) >> 4) revert NotListed(index);
            return _entry(start, index);
        }
    }

    // Memory: Yul, because `bytes` and `uint256[]` would be zeroed and bounds-checked: 60 gas a word.

    function _hash(uint256 start, uint256 size) private pure returns (uint256 hash) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, start, size)
            hash := keccak256(m, size)
        }
    }

    /// @dev The balances of the first `tokens` rows, at the memory address that is returned.
    function _balances(uint256 tokens) private view returns (uint256 at) {
        unchecked {
            assembly ("memory-safe") {
                at := mload(0x40)
                mstore(0x40, add(at, mul(tokens, 32)))
            }
            for (uint256 i = 0; i < tokens; ++i) {
                uint256 amount = Tokens.balance(_entry(0, i));
                assembly ("memory-safe") {
                    mstore(add(at, mul(i, 32)), amount)
                }
            }
        }
    }

    function _word(uint256 at, uint256 i) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(at, mul(i, 32)))
        }
    }
}
