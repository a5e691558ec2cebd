// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFlashExecutor} from "./IFlashExecutor.sol";
import {Tokens} from "./Tokens.sol";

/// @title The functions of IFlashExecutor, but `config`
/// @dev Found by hand, after routes and callbacks: solc's dispatcher comes before `fallback` and compares every
/// selector first, 200 gas in each frame of a run.
abstract contract Access {
    address private _owner;
    address private _pendingOwner;

    modifier onlyOwner() {
        if (msg.sender != _owner) revert IFlashExecutor.Unauthorized();
        _;
    }

    constructor(address owner_, address operator_) {
        if (owner_ == address(0)) revert IFlashExecutor.ZeroAddress();
        _owner = owner_;
        emit IFlashExecutor.OwnershipMoved(address(0), owner_);
        if (operator_ != address(0)) {
            _allow(operator_, true);
            emit IFlashExecutor.OperatorSet(operator_, true);
        }
    }

    /// @dev Answers a call to one of the functions. Only to be called while no route runs, and without ether.
    function _administer() internal returns (bytes memory) {
        bytes4 asked = msg.sig;
        bytes calldata given = msg.data[4:];
        if (asked == IFlashExecutor.owner.selector) return abi.encode(_owner);
        if (asked == IFlashExecutor.pendingOwner.selector) return abi.encode(_pendingOwner);
        if (asked == IFlashExecutor.isOperator.selector) return abi.encode(_allowed(abi.decode(given, (address))));
        if (asked == IFlashExecutor.setOperator.selector) {
            (address operator, bool allowed) = abi.decode(given, (address, bool));
            _setOperator(operator, allowed);
        } else if (asked == IFlashExecutor.transferOwnership.selector) {
            _transferOwnership(abi.decode(given, (address)));
        } else if (asked == IFlashExecutor.acceptOwnership.selector) {
            _acceptOwnership();
        } else if (asked == IFlashExecutor.withdraw.selector) {
            (address token, address to, uint256 amount) = abi.decode(given, (address, address, uint256));
            _withdraw(token, to, amount);
        } else {
            revert IFlashExecutor.UnknownCall();
        }
        return "";
    }

    /// @dev An operator's flag is in the slot ~account, far from the owner's two: no hash, 61 gas less in each run than with
    /// a mapping.
    function _allowed(address account) internal view returns (bool allowed) {
        assembly ("memory-safe") {
            allowed := sload(not(account))
        }
    }

    function _allow(address account, bool allowed) private {
        assembly ("memory-safe") {
            sstore(not(account), allowed)
        }
    }

    function _setOperator(address operator, bool allowed) private onlyOwner {
        _allow(operator, allowed);
        emit IFlashExecutor.OperatorSet(operator, allowed);
    }

    function _transferOwnership(address to) private onlyOwner {
        _pendingOwner = to;
        emit IFlashExecutor.OwnershipOffered(_owner, to);
    }

    function _acceptOwnership() private {
        if (msg.sender != _pendingOwner) revert IFlashExecutor.Unauthorized();
        emit IFlashExecutor.OwnershipMoved(_owner, msg.sender);
        _owner = msg.sender;
        _pendingOwner = address(0);
    }

    function _withdraw(address token, address to, uint256 amount) private onlyOwner {
        if (to == address(0)) revert IFlashExecutor.ZeroAddress();
        emit IFlashExecutor.Withdrawn(token, to, amount);
        if (token != address(0)) Tokens.transfer(token, to, amount);
        else if (!Tokens.sendEther(to, amount)) revert IFlashExecutor.EtherRefused();
    }
}
