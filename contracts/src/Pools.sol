// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Armed} from "./Armed.sol";
import {IFlashExecutor} from "./IFlashExecutor.sol";
import {Tokens} from "./Tokens.sol";

/// @title Calls to pools, vaults and lenders
/// @dev Yul, because solc's encoder allocates, copies and checks each argument, the route (which is copied once
/// here, from calldata) above all. No code size is checked: a call to an address without code does nothing, and a route
/// that got nothing for its money fails the balance checks. Calls are written at 0x80, where solc's memory begins: a run
/// allocates nothing, and known places cost 3 to 6 gas a word less. The selector is at the end of the first word, so that
/// the arguments begin at 0xa0. Every function reverts with the callee's own error. `start` and `size` name the route in
/// calldata, `low` is the lower part of the armed word (see Armed).
library Pools {
    uint256 private constant MIN_PRICE = 0x1000276a4; // TickMath.MIN_SQRT_RATIO + 1
    uint256 private constant MAX_PRICE = 0x00fffd8963efd1fc6a506488495d951d5263988d25; // TickMath.MAX_SQRT_RATIO - 1

    // Uniswap V2 and its forks.

    /// @notice `IUniswapV2Pair.swap`: `amountOut` of token0, or of token1 where `takeToken1` is 1, to `to`.
    function swapV2(address pair, uint256 takeToken1, uint256 amountOut, address to) internal {
        _startV2(takeToken1, amountOut, to);
        assembly ("memory-safe") {
            mstore(0x120, 0)
        }
        _call(pair, 0, 0x9c, 0xa4);
    }

    /// @notice Pays the pair, then `swapV2`.
    /// @param word the step: its top bit `takeToken1`, its lower 28 bytes uint112 amount in, uint112 amount out
    function paySwapV2(address token, address pair, uint256 word, address to) internal {
        unchecked {
            Tokens.transfer(token, pair, uint112(word >> 112));
            swapV2(pair, word >> 255, uint112(word), to);
        }
    }

    /// @notice The same, to this contract; the pair pays first, then calls back for its due.
    function flashV2(address pair, uint256 takeToken1, uint256 amountOut, uint256 start, uint256 size, uint256 low)
        internal
    {
        _startV2(takeToken1, amountOut, address(this));
        unchecked {
            Armed.attach(0x120, pair, start, size, low);
            _call(pair, 0, 0x9c, 0xa4 + size);
        }
    }

    function _startV2(uint256 takeToken1, uint256 amountOut, address to) private pure {
        assembly ("memory-safe") {
            let amount1 := mul(amountOut, takeToken1)
            mstore(0x80, 0x022c0d9f) // swap(uint256,uint256,address,bytes)
            mstore(0xa0, xor(amountOut, amount1))
            mstore(0xc0, amount1)
            mstore(0xe0, to)
            mstore(0x100, 0x80)
        }
    }

    // Uniswap V3 and its forks.

    /// @notice `IUniswapV3Pool.swap`, exact input, no price limit; the pool pays `to`, then calls back for its due.
    function swapV3(
        address pool,
        uint256 zeroForOne,
        uint256 amountIn,
        address to,
        uint256 start,
        uint256 size,
        uint256 low
    ) internal {
        assembly ("memory-safe") {
            mstore(0x80, 0x128acb08) // swap(address,bool,int256,uint160,bytes)
            mstore(0xa0, to)
            mstore(0xc0, zeroForOne)
            mstore(0xe0, amountIn)
            switch zeroForOne
            case 0 { mstore(0x100, MAX_PRICE) }
            default { mstore(0x100, MIN_PRICE) }
            mstore(0x120, 0xa0)
        }
        unchecked {
            Armed.attach(0x140, pool, start, size, low);
            _call(pool, 0, 0x9c, 0xc4 + size);
        }
    }

    // Uniswap V4.

    /// @notice `IPoolManager.unlock`.
    function unlockV4(address manager, uint256 start, uint256 size, uint256 low) internal {
        assembly ("memory-safe") {
            mstore(0x80, 0x48c89491) // unlock(bytes)
            mstore(0xa0, 0x20)
        }
        unchecked {
            Armed.attach(0xc0, manager, start, size, low);
            _call(manager, 0, 0x9c, 0x44 + size);
        }
    }

    /// @notice `IPoolManager.swap`, exact input, no price limit, no hook data.
    /// @param fee in 1e-6, or the dynamic fee flag
    /// @return amountOut what the manager owes for it, in the other currency's smallest unit
    function swapV4(
        address manager,
        address currency0,
        address currency1,
        uint256 fee,
        uint256 tickSpacing,
        address hooks,
        uint256 zeroForOne,
        uint256 amountIn
    ) internal returns (uint256 amountOut) {
        assembly ("memory-safe") {
            // swap((address,address,uint24,int24,address),(bool,int256,uint160),bytes)
            mstore(0x80, 0xf3cd914c)
            mstore(0xa0, currency0)
            mstore(0xc0, currency1)
            mstore(0xe0, fee)
            mstore(0x100, tickSpacing)
            mstore(0x120, hooks)
            mstore(0x140, zeroForOne)
            mstore(0x160, sub(0, amountIn))
            switch zeroForOne
            case 0 { mstore(0x180, MAX_PRICE) }
            default { mstore(0x180, MIN_PRICE) }
            mstore(0x1a0, 0x120)
            mstore(0x1c0, 0)
        }
        amountOut = _call(manager, 0, 0x9c, 0x144);
        assembly ("memory-safe") {
            // BalanceDelta: amount0 in the upper half, amount1 in the lower; what comes in is positive.
            switch zeroForOne
            case 0 { amountOut := shr(128, amountOut) }
            default { amountOut := shr(128, shl(128, amountOut)) }
        }
    }

    /// @notice `takeV4`; an `amount` of zero means all that the manager owes.
    function takeOwedV4(address manager, address currency, address to, uint256 amount) internal {
        takeV4(manager, currency, to, amount == 0 ? _creditV4(manager, currency) : amount);
    }

    /// @notice `IPoolManager.take`.
    function takeV4(address manager, address currency, address to, uint256 amount) internal {
        assembly ("memory-safe") {
            mstore(0x80, 0x0b0d9c09) // take(address,address,uint256)
            mstore(0xa0, currency)
            mstore(0xc0, to)
            mstore(0xe0, amount)
        }
        _call(manager, 0, 0x9c, 0x64);
    }

    /// @notice `IPoolManager.sync`, a transfer of `amount` to the manager, and `settle`.
    /// @dev One block for three calls, and one branch for the manager's two.
    function payV4(address manager, address token, uint256 amount) internal {
        bool paid;
        assembly ("memory-safe") {
            mstore(0x00, 0xa5841194) // sync(address)
            mstore(0x20, token)
            let done := call(gas(), manager, 0, 0x1c, 0x24, 0x00, 0x00)
            mstore(0x80, 0xa9059cbb) // transfer(address,uint256)
            mstore(0xa0, manager)
            mstore(0xc0, amount)
            let sent := call(gas(), token, 0, 0x9c, 0x44, 0x00, 0x20)
            paid := and(and(sent, gt(returndatasize(), 0x1f)), eq(mload(0x00), 1))
            if iszero(paid) { paid := and(and(sent, iszero(returndatasize())), gt(extcodesize(token), 0)) }
            mstore(0x00, 0x11da60b4) // settle()
            if iszero(and(call(gas(), manager, 0, 0x1c, 0x04, 0x00, 0x00), done)) {
                returndatacopy(0x80, 0, returndatasize())
                revert(0x80, returndatasize())
            }
        }
        if (!paid) revert IFlashExecutor.TransferFailed(token);
    }

    /// @notice `IPoolManager.sync`: what the manager gets of `currency` from here to `settleV4` is ours.
    function syncV4(address manager, address currency) internal {
        assembly ("memory-safe") {
            mstore(0x00, 0xa5841194) // sync(address)
            mstore(0x20, currency)
        }
        _call(manager, 0, 0x1c, 0x24);
    }

    /// @notice `IPoolManager.settle`, with `value` wei.
    function settleV4(address manager, uint256 value) internal {
        assembly ("memory-safe") {
            mstore(0x00, 0x11da60b4) // settle()
        }
        _call(manager, value, 0x1c, 0x04);
    }

    /// @notice What the manager owes this contract: `IExttload.exttload` of keccak256(owner, currency).
    function _creditV4(address manager, address currency) private returns (uint256 amount) {
        assembly ("memory-safe") {
            mstore(0x00, address())
            mstore(0x20, currency)
            mstore(0x20, keccak256(0x00, 0x40))
            mstore(0x00, 0xf135baaa) // exttload(bytes32)
        }
        amount = _call(manager, 0, 0x1c, 0x24);
    }

    // Balancer V2.

    /// @notice `IVault.swap`, given in, no limit: the route's `minProfit` is the limit.
    /// @return amountOut in the smallest unit of `tokenOut`
    function swapBalancer(
        address vault,
        uint256 poolId,
        address tokenIn,
        address tokenOut,
        uint256 amountIn,
        address to
    ) internal returns (uint256 amountOut) {
        assembly ("memory-safe") {
            // swap((bytes32,uint8,address,address,uint256,bytes),(address,bool,address,bool),uint256,uint256)
            mstore(0x80, 0x52bbbe29)
            mstore(0xa0, 0xe0)
            mstore(0xc0, address())
            mstore(0xe0, 0)
            mstore(0x100, to)
            mstore(0x120, 0)
            mstore(0x140, 0)
            mstore(0x160, timestamp())
            mstore(0x180, poolId)
            mstore(0x1a0, 0)
            mstore(0x1c0, tokenIn)
            mstore(0x1e0, tokenOut)
            mstore(0x200, amountIn)
            mstore(0x220, 0xc0)
            mstore(0x240, 0)
        }
        amountOut = _call(vault, 0, 0x9c, 0x1c4);
    }

    /// @notice `IVault.flashLoan` of one token to this contract.
    function loanBalancer(address vault, address token, uint256 amount, uint256 start, uint256 size, uint256 low)
        internal
    {
        assembly ("memory-safe") {
            mstore(0x80, 0x5c38449e) // flashLoan(address,address[],uint256[],bytes)
            mstore(0xa0, address())
            mstore(0xc0, 0x80)
            mstore(0xe0, 0xc0)
            mstore(0x100, 0x100)
            mstore(0x120, 1)
            mstore(0x140, token)
            mstore(0x160, 1)
            mstore(0x180, amount)
        }
        unchecked {
            Armed.attach(0x1a0, vault, start, size, low);
            _call(vault, 0, 0x9c, 0x124 + size);
        }
    }

    // Lenders.

    /// @notice Aave V3 `IPool.flashLoanSimple` to this contract, referral code 0.
    function loanAave(address pool, address token, uint256 amount, uint256 start, uint256 size, uint256 low) internal {
        assembly ("memory-safe") {
            mstore(0x80, 0x42b0b77c) // flashLoanSimple(address,address,uint256,bytes,uint16)
            mstore(0xa0, address())
            mstore(0xc0, token)
            mstore(0xe0, amount)
            mstore(0x100, 0xa0)
            mstore(0x120, 0)
        }
        unchecked {
            Armed.attach(0x140, pool, start, size, low);
            _call(pool, 0, 0x9c, 0xc4 + size);
        }
    }

    /// @notice ERC-3156 `IERC3156FlashLender.flashLoan` to this contract.
    function loanErc3156(address lender, address token, uint256 amount, uint256 start, uint256 size, uint256 low)
        internal
    {
        assembly ("memory-safe") {
            mstore(0x80, 0x5cffe9de) // flashLoan(address,address,uint256,bytes)
            mstore(0xa0, address())
            mstore(0xc0, token)
            mstore(0xe0, amount)
            mstore(0x100, 0x80)
        }
        unchecked {
            Armed.attach(0x120, lender, start, size, low);
            _call(lender, 0, 0x9c, 0xa4 + size);
        }
    }

    // The wrapped native token.

    /// @notice `IWETH.deposit` of `amount` wei.
    function wrap(address weth, uint256 amount) internal {
        assembly ("memory-safe") {
            mstore(0x00, 0xd0e30db0) // deposit()
        }
        _call(weth, amount, 0x1c, 0x04);
    }

    /// @notice `IWETH.withdraw` of `amount` wei.
    function unwrap(address weth, uint256 amount) internal {
        assembly ("memory-safe") {
            mstore(0x00, 0x2e1a7d4d) // withdraw(uint256)
            mstore(0x20, amount)
        }
        _call(weth, 0, 0x1c, 0x24);
    }

    /// @dev Calls with the `size` bytes of memory at `at`, and passes an error on. The answer is its first word.
    function _call(address to, uint256 value, uint256 at, uint256 size) private returns (uint256 answer) {
        assembly ("memory-safe") {
            if iszero(call(gas(), to, value, at, size, 0x00, 0x20)) {
                returndatacopy(0x80, 0, returndatasize())
                revert(0x80, returndatasize())
            }
            answer := mload(0x00)
        }
    }
}
