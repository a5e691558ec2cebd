// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The two transient slots that say what runs and who may call back
/// @dev `ROUTE` holds keccak256 of the route from its start to its end, and is the lock: zero means that nothing runs.
/// `ARMED` holds the one address that may call back now, where the route goes on then, and where in its arguments the
/// route must lie: caller (160 bits), cursor (16), argument (8), reply (8). It is set right before the call out and
/// cleared by the callback, so each arming admits one callback. EIP-1153 has the chain clear both with the transaction.
library Armed {
    uint256 private constant ROUTE = 0;
    uint256 private constant ARMED = 1;

    /// @dev keccak256 of the running route; zero when none runs.
    function route() internal view returns (uint256 hash) {
        assembly ("memory-safe") {
            hash := tload(ROUTE)
        }
    }

    function setRoute(uint256 hash) internal {
        assembly ("memory-safe") {
            tstore(ROUTE, hash)
        }
    }

    /// @dev The packed word above; zero when nobody may call back.
    function armed() internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := tload(ARMED)
        }
    }

    /// @param who the one that may call back
    /// @param cursor where the route goes on, in bytes from its start
    /// @param argument where the callback's `bytes` argument has its head, in bytes from the start of its calldata
    /// @param reply what the caller wants to hear, one of FlashExecutor's `REPLY_` values
    function arm(address who, uint256 cursor, uint256 argument, uint256 reply) internal {
        assembly ("memory-safe") {
            tstore(ARMED, or(or(who, shl(160, cursor)), or(shl(176, argument), shl(184, reply))))
        }
    }

    function disarm() internal {
        assembly ("memory-safe") {
            tstore(ARMED, 0)
        }
    }
}
