// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The transient slot that says whether a route runs and who may call back
/// @dev Zero: nothing runs. `RUNNING`: a route runs, nobody may call back. Anything else: one callback is due, and the
/// word says which: the upper 216 bits are those of keccak256(caller, route), then follow 8 bits of whether the wrapped
/// native token is the base asset, 16 of where the route goes on (bytes from the start of what is carried), 8 of where
/// the callback's `bytes` argument has its head (bytes from the start of its calldata) and 8 of what the caller wants to
/// hear. (V2Cycle has these 40 bits for itself; its callback is the one with 0x100.) What is carried is the route from
/// its 18th byte on. So a callback is admitted once, from one address, and only with the route that the operator sent;
/// what else it carries does not count. The word is set right before the call out and replaced by `RUNNING` in the
/// callback. One slot does for the lock and for the caller. EIP-1153 has the chain clear it with the transaction, a run
/// clears it at its end.
library Armed {
    uint256 internal constant RUNNING = 1;
    uint256 private constant SLOT = 0;

    function word() internal view returns (uint256 value) {
        assembly ("memory-safe") {
            value := tload(SLOT)
        }
    }

    function set(uint256 value) internal {
        assembly ("memory-safe") {
            tstore(SLOT, value)
        }
    }

    /// @dev Writes the route, from calldata, as a `bytes` argument at the memory address `at`, and arms `who`.
    /// @param low the lower 40 bits of the word
    function attach(uint256 at, address who, uint256 start, uint256 size, uint256 low) internal {
        assembly ("memory-safe") {
            calldatacopy(add(at, 0x20), start, size)
            // The caller stands where the length will, so that one hash covers both.
            mstore(at, who)
            tstore(SLOT, or(shl(40, shr(40, keccak256(at, add(size, 0x20)))), low))
            mstore(at, size)
        }
    }

    /// @dev Whether the caller may call back with the route in calldata at `start`.
    function admits(uint256 value, uint256 start, uint256 size) internal view returns (bool yes) {
        assembly ("memory-safe") {
            mstore(0x80, caller())
            calldatacopy(0xa0, start, size)
            yes := iszero(shr(40, xor(value, keccak256(0x80, add(size, 0x20)))))
        }
    }
}
