// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Calls to pools, vaults and lenders
/// @dev Yul, because solc's encoder allocates, copies and checks each argument: 300 to 900 gas a call here, most where
/// the route goes along as `bytes` (which is copied once, from calldata). No code size is checked: a call to an
/// address without code does nothing, and a route that got nothing for its money fails the balance checks.
/// Every function reverts with the callee's own error. `dataAt` and `dataSize` name the route in calldata.
library Pools {
    /// @notice `IUniswapV2Pair.swap`: `amountOut` of token0 or token1 to `to`; with data, the pair calls back first.
    function swapV2(address pair, bool takeToken1, uint256 amountOut, address to, uint256 dataAt, uint256 dataSize)
        internal
    {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x022c0d9f)) // swap(uint256,uint256,address,bytes)
            mstore(add(m, 0x04), mul(amountOut, iszero(takeToken1)))
            mstore(add(m, 0x24), mul(amountOut, takeToken1))
            mstore(add(m, 0x44), to)
            mstore(add(m, 0x64), 0x80)
            mstore(add(m, 0x84), dataSize)
            calldatacopy(add(m, 0xa4), dataAt, dataSize)
            if iszero(call(gas(), pair, 0, m, add(0xa4, dataSize), 0x00, 0x00)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// @notice `IUniswapV3Pool.swap`, exact input, no price limit; the pool pays `to`, then calls back for its due.
    function swapV3(address pool, bool zeroForOne, uint256 amountIn, address to, uint256 dataAt, uint256 dataSize)
        internal
    {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x128acb08)) // swap(address,bool,int256,uint160,bytes)
            mstore(add(m, 0x04), to)
            mstore(add(m, 0x24), zeroForOne)
            mstore(add(m, 0x44), amountIn)
            // TickMath.MIN_SQRT_RATIO + 1, or MAX_SQRT_RATIO - 1
            switch zeroForOne
            case 0 { mstore(add(m, 0x64), 0xfffd8963efd1fc6a506488495d951d5263988d25) }
            default { mstore(add(m, 0x64), 0x1000276a4) }
            mstore(add(m, 0x84), 0xa0)
            mstore(add(m, 0xa4), dataSize)
            calldatacopy(add(m, 0xc4), dataAt, dataSize)
            if iszero(call(gas(), pool, 0, m, add(0xc4, dataSize), 0x00, 0x00)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// @notice `IPoolManager.unlock`.
    function unlockV4(address manager, uint256 dataAt, uint256 dataSize) internal {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x48c89491)) // unlock(bytes)
            mstore(add(m, 0x04), 0x20)
            mstore(add(m, 0x24), dataSize)
            calldatacopy(add(m, 0x44), dataAt, dataSize)
            if iszero(call(gas(), manager, 0, m, add(0x44, dataSize), 0x00, 0x00)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// @notice `IPoolManager.swap`, exact input, no price limit, no hook data.
    /// @param pool currency0, currency1, fee (1e-6), tick spacing, hooks
    /// @return amountOut what the manager owes for it, in the other currency's smallest unit
    function swapV4(address manager, uint256[5] memory pool, bool zeroForOne, uint256 amountIn)
        internal
        returns (uint256 amountOut)
    {
        assembly ("memory-safe") {
            let m := mload(0x40)
            // swap((address,address,uint24,int24,address),(bool,int256,uint160),bytes)
            mstore(m, shl(224, 0xf3cd914c))
            mcopy(add(m, 0x04), pool, 0xa0)
            mstore(add(m, 0xa4), zeroForOne)
            mstore(add(m, 0xc4), sub(0, amountIn))
            switch zeroForOne
            case 0 { mstore(add(m, 0xe4), 0xfffd8963efd1fc6a506488495d951d5263988d25) }
            default { mstore(add(m, 0xe4), 0x1000276a4) }
            mstore(add(m, 0x104), 0x120)
            mstore(add(m, 0x124), 0)
            if iszero(call(gas(), manager, 0, m, 0x144, 0x00, 0x20)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
            // BalanceDelta: amount0 in the upper half, amount1 in the lower; what comes in is positive.
            switch zeroForOne
            case 0 { amountOut := shr(128, mload(0x00)) }
            default { amountOut := and(mload(0x00), 0xffffffffffffffffffffffffffffffff) }
        }
    }

    /// @notice `IPoolManager.take`.
    function takeV4(address manager, address currency, address to, uint256 amount) internal {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x0b0d9c09)) // take(address,address,uint256)
            mstore(add(m, 0x04), currency)
            mstore(add(m, 0x24), to)
            mstore(add(m, 0x44), amount)
            if iszero(call(gas(), manager, 0, m, 0x64, 0x00, 0x00)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// @notice `IPoolManager.sync`: what the manager gets of `currency` from here to `settleV4` is ours.
    function syncV4(address manager, address currency) internal {
        assembly ("memory-safe") {
            mstore(0x00, 0xa5841194) // sync(address)
            mstore(0x20, currency)
            if iszero(call(gas(), manager, 0, 0x1c, 0x24, 0x00, 0x00)) {
                let m := mload(0x40)
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// @notice `IPoolManager.settle`, with `value` wei.
    function settleV4(address manager, uint256 value) internal {
        assembly ("memory-safe") {
            mstore(0x00, 0x11da60b4) // settle()
            if iszero(call(gas(), manager, value, 0x1c, 0x04, 0x00, 0x00)) {
                let m := mload(0x40)
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// @notice What the manager owes this contract: `IExttload.exttload` of keccak256(owner, currency).
    function creditV4(address manager, address currency) internal view returns (uint256 amount) {
        assembly ("memory-safe") {
            mstore(0x00, address())
            mstore(0x20, currency)
            mstore(0x20, keccak256(0x00, 0x40))
            mstore(0x00, 0xf135baaa) // exttload(bytes32)
            if iszero(staticcall(gas(), manager, 0x1c, 0x24, 0x00, 0x20)) { revert(0x00, 0x00) }
            amount := mload(0x00)
        }
    }

    /// @notice Balancer V2 `IVault.swap`, given in, no limit: the route's `minProfit` is the limit.
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
            let m := mload(0x40)
            // swap((bytes32,uint8,address,address,uint256,bytes),(address,bool,address,bool),uint256,uint256)
            mstore(m, shl(224, 0x52bbbe29))
            mstore(add(m, 0x04), 0xe0)
            mstore(add(m, 0x24), address())
            mstore(add(m, 0x44), 0)
            mstore(add(m, 0x64), to)
            mstore(add(m, 0x84), 0)
            mstore(add(m, 0xa4), 0)
            mstore(add(m, 0xc4), timestamp())
            mstore(add(m, 0xe4), poolId)
            mstore(add(m, 0x104), 0)
            mstore(add(m, 0x124), tokenIn)
            mstore(add(m, 0x144), tokenOut)
            mstore(add(m, 0x164), amountIn)
            mstore(add(m, 0x184), 0xc0)
            mstore(add(m, 0x1a4), 0)
            if iszero(call(gas(), vault, 0, m, 0x1c4, 0x00, 0x20)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
            amountOut := mload(0x00)
        }
    }

    /// @notice Balancer V2 `IVault.flashLoan` of one token to this contract.
    function loanBalancer(address vault, address token, uint256 amount, uint256 dataAt, uint256 dataSize) internal {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x5c38449e)) // flashLoan(address,address[],uint256[],bytes)
            mstore(add(m, 0x04), address())
            mstore(add(m, 0x24), 0x80)
            mstore(add(m, 0x44), 0xc0)
            mstore(add(m, 0x64), 0x100)
            mstore(add(m, 0x84), 1)
            mstore(add(m, 0xa4), token)
            mstore(add(m, 0xc4), 1)
            mstore(add(m, 0xe4), amount)
            mstore(add(m, 0x104), dataSize)
            calldatacopy(add(m, 0x124), dataAt, dataSize)
            if iszero(call(gas(), vault, 0, m, add(0x124, dataSize), 0x00, 0x00)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// @notice Aave V3 `IPool.flashLoanSimple` to this contract, referral code 0.
    function loanAave(address pool, address token, uint256 amount, uint256 dataAt, uint256 dataSize) internal {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x42b0b77c)) // flashLoanSimple(address,address,uint256,bytes,uint16)
            mstore(add(m, 0x04), address())
            mstore(add(m, 0x24), token)
            mstore(add(m, 0x44), amount)
            mstore(add(m, 0x64), 0xa0)
            mstore(add(m, 0x84), 0)
            mstore(add(m, 0xa4), dataSize)
            calldatacopy(add(m, 0xc4), dataAt, dataSize)
            if iszero(call(gas(), pool, 0, m, add(0xc4, dataSize), 0x00, 0x00)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// @notice ERC-3156 `IERC3156FlashLender.flashLoan` to this contract.
    function loanErc3156(address lender, address token, uint256 amount, uint256 dataAt, uint256 dataSize) internal {
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, shl(224, 0x5cffe9de)) // flashLoan(address,address,uint256,bytes)
            mstore(add(m, 0x04), address())
            mstore(add(m, 0x24), token)
            mstore(add(m, 0x44), amount)
            mstore(add(m, 0x64), 0x80)
            mstore(add(m, 0x84), dataSize)
            calldatacopy(add(m, 0xa4), dataAt, dataSize)
            if iszero(call(gas(), lender, 0, m, add(0xa4, dataSize), 0x00, 0x00)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    /// @notice `IWETH.deposit` of `amount` wei.
    function wrap(address weth, uint256 amount) internal {
        assembly ("memory-safe") {
            mstore(0x00, 0xd0e30db0) // deposit()
            if iszero(call(gas(), weth, amount, 0x1c, 0x04, 0x00, 0x00)) { revert(0x00, 0x00) }
        }
    }

    /// @notice `IWETH.withdraw` of `amount` wei.
    function unwrap(address weth, uint256 amount) internal {
        assembly ("memory-safe") {
            mstore(0x00, 0x2e1a7d4d) // withdraw(uint256)
            mstore(0x20, amount)
            if iszero(call(gas(), weth, 0, 0x1c, 0x24, 0x00, 0x00)) { revert(0x00, 0x00) }
        }
    }
}
