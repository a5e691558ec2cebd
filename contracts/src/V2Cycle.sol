// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Armed} from "./Armed.sol";
import {IFlashExecutor} from "./IFlashExecutor.sol";

/// @title The commonest cycle: the wrapped native token through two V2 pairs
/// @dev One step that knows all of it: the second pair pays first; in its callback the first is paid, and pays the
/// second. Yul without memory that Solidity knows, table or loop: 1,000 gas less than the steps V2 flash and V2 paid
/// swap (measured). The step, 84 bytes: code and, in the top bit, whether the second pair pays token1; second pair;
/// uint112 out of it; whether the first pair pays token1; first pair; uint112 into it; uint112 out of it. Its last 49
/// bytes are what the second pair carries back.
library V2Cycle {
    uint256 internal constant SIZE = 84;
    uint256 internal constant CALLBACK = 0x100; // the lower 40 bits of the armed word

    /// @notice Takes the second pair's money; returns when the cycle is done.
    /// @param at the step's place in calldata
    function flash(uint256 at) internal {
        assembly ("memory-safe") {
            let pair := shr(96, calldataload(add(at, 1)))
            let amount := shr(144, calldataload(add(at, 21)))
            let amount1 := mul(amount, shr(255, calldataload(at)))
            mstore(0x80, 0x022c0d9f) // swap(uint256,uint256,address,bytes)
            mstore(0xa0, xor(amount, amount1))
            mstore(0xc0, amount1)
            mstore(0xe0, address())
            mstore(0x100, 0x80)
            mstore(0x120, pair) // hashed with what follows, as Armed.attach does
            calldatacopy(0x140, add(at, 35), 49)
            tstore(0, or(shl(40, shr(40, keccak256(0x120, 81))), CALLBACK))
            mstore(0x120, 49)
            if iszero(call(gas(), pair, 0, 0x9c, 0xd5, 0x00, 0x00)) {
                returndatacopy(0x80, 0, returndatasize())
                revert(0x80, returndatasize())
            }
        }
    }

    /// @notice The second pair's callback, and the end of its frame.
    /// @param armed the armed word
    /// @param weth what the first pair is paid in
    /// @dev V2 has no other layout of a callback: its `bytes` begin at 0xa4. Words of memory that stay zero are not
    /// written. A transfer that failed shows in the first pair's answer.
    function pay(uint256 armed, address weth) internal {
        if (!Armed.admits(armed, 0xa4, 49)) revert IFlashExecutor.NotArmed();
        Armed.set(Armed.RUNNING);
        assembly ("memory-safe") {
            let pair := shr(96, calldataload(0xa5))
            mstore(0x80, 0xa9059cbb) // transfer(address,uint256)
            mstore(0xa0, pair)
            mstore(0xc0, shr(144, calldataload(0xb9)))
            mstore(0xe0, 0x022c0d9f) // swap(uint256,uint256,address,bytes)
            mstore(add(0x100, shl(5, byte(0, calldataload(0xa4)))), shr(144, calldataload(0xc7)))
            mstore(0x140, caller())
            mstore(0x160, 0x80)
            // From right to left.
            if iszero(and(call(gas(), pair, 0, 0xfc, 0xa4, 0x00, 0x00), call(gas(), weth, 0, 0x9c, 0x44, 0x00, 0x00))) {
                returndatacopy(0x80, 0, returndatasize())
                revert(0x80, returndatasize())
            }
            stop()
        }
    }
}
