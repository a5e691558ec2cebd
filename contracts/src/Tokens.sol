// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFlashExecutor} from "./IFlashExecutor.sol";

/// @title Calls to tokens of every temper: those that return nothing, false, or something else
/// @dev Yul, because the checks of a Solidity call (code size before, decoding after, an allocation each) cost
/// gas in each of a route's many calls, and do not accept a token that returns nothing.
library Tokens {
    /// @notice This contract's balance, in the token's smallest unit; of ether, in wei, for the zero address.
    function balance(address token) internal view returns (uint256 amount) {
        bool ok = true;
        assembly ("memory-safe") {
            switch token
            case 0 { amount := selfbalance() }
            default {
                mstore(0x00, 0x70a08231) // balanceOf(address)
                mstore(0x20, address())
                ok := and(gt(returndatasize(), 0x1f), staticcall(gas(), token, 0x1c, 0x24, 0x00, 0x20))
                amount := mload(0x00)
            }
        }
        if (!ok) revert IFlashExecutor.NotAToken(token);
    }

    /// @notice Sends `amount`, in the token's smallest unit.
    function transfer(address token, address to, uint256 amount) internal {
        if (!_call(token, 0xa9059cbb, to, amount)) revert IFlashExecutor.TransferFailed(token);
    }

    /// @notice Lets `spender` take exactly `amount`; every caller ends with `clearAllowance`. For spenders that the owner
    /// named and that take from this contract within its own call alone: some tokens let them take without an allowance.
    function approve(address token, address spender, uint256 amount) internal {
        if (!_call(token, 0x095ea7b3, spender, amount)) revert IFlashExecutor.ApproveFailed(token);
    }

    /// @notice Takes back what `spender` did not take of its allowance.
    function clearAllowance(address token, address spender) internal {
        if (_allowance(token, spender) != 0) approve(token, spender, 0);
    }

    /// @notice `approve` for any spender; every caller ends with `clearChecked`.
    /// @dev A token may take a small number for an NFT's (ERC-404): it then approves that NFT, and no allowance tells. So
    /// the allowance must become `amount` here, from zero: one that was there before could be the same. Zero is not sent
    /// at all: it may be an NFT's number as well.
    function approveChecked(address token, address spender, uint256 amount) internal {
        if (amount == 0) return;
        bool clear = _allowance(token, spender) == 0;
        approve(token, spender, amount);
        if (!clear || _allowance(token, spender) != amount) revert IFlashExecutor.ApproveFailed(token);
    }

    /// @notice `clearAllowance`; the token must then say that nothing is left.
    function clearChecked(address token, address spender) internal {
        if (_allowance(token, spender) == 0) return;
        approve(token, spender, 0);
        if (_allowance(token, spender) != 0) revert IFlashExecutor.ApproveFailed(token);
    }

    /// @notice Sends `amount` wei with all gas; what the receiver returns is not copied.
    function sendEther(address to, uint256 amount) internal returns (bool ok) {
        assembly ("memory-safe") {
            ok := call(gas(), to, amount, 0x00, 0x00, 0x00, 0x00)
        }
    }

    function _allowance(address token, address spender) private view returns (uint256 amount) {
        bool ok;
        assembly ("memory-safe") {
            mstore(0x80, 0xdd62ed3e) // allowance(address,address)
            mstore(0xa0, address())
            mstore(0xc0, spender)
            ok := and(gt(returndatasize(), 0x1f), staticcall(gas(), token, 0x9c, 0x44, 0x00, 0x20))
            amount := mload(0x00)
        }
        if (!ok) revert IFlashExecutor.NotAToken(token);
    }

    /// @dev Calls `selector(to, amount)`; true when the token returned true, or nothing and has code.
    function _call(address token, uint256 selector, address to, uint256 amount) private returns (bool ok) {
        assembly ("memory-safe") {
            mstore(0x80, selector)
            mstore(0xa0, to)
            mstore(0xc0, amount)
            let done := call(gas(), token, 0, 0x9c, 0x44, 0x00, 0x20)
            ok := and(and(done, gt(returndatasize(), 0x1f)), eq(mload(0x00), 1))
            if iszero(ok) { ok := and(and(done, iszero(returndatasize())), gt(extcodesize(token), 0)) }
        }
    }
}
