// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Tokens} from "./Tokens.sol";
import {Armed} from "./Armed.sol";

/// @title Who may do what with an executor: one owner, any number of operators
/// @notice The owner alone withdraws and names operators. Ownership moves in two steps. An operator runs routes (see
/// FlashExecutor) and can do nothing else; the owner revokes it with one call that works from the next transaction on.
/// @dev None of it can be called while a route runs: a hostile pool or token that also controls the owner's wallet
/// would otherwise move funds between the two balance checks of a run.
abstract contract Access {
    /// @notice The one that withdraws and names operators.
    address public owner;
    /// @notice The one that becomes the owner once it calls `acceptOwnership`; zero when nobody was named.
    address public pendingOwner;
    /// @notice Whether an address may run routes.
    mapping(address account => bool allowed) public isOperator;

    /// @notice The caller is neither the owner nor, for a route, an operator.
    error Unauthorized();
    /// @notice Ether, tokens or ownership would go to the zero address.
    error ZeroAddress();
    /// @notice The owner's functions are closed while a route runs.
    error RouteRunning();
    /// @notice `to` did not take the ether.
    error EtherRefused();

    event OperatorSet(address indexed operator, bool allowed);
    event OwnershipOffered(address indexed owner, address indexed pendingOwner);
    event OwnershipMoved(address indexed previousOwner, address indexed owner);
    event Withdrawn(address indexed token, address indexed to, uint256 amount);

    modifier onlyOwner() {
        if (msg.sender != owner) revert Unauthorized();
        if (Armed.route() != 0) revert RouteRunning();
        _;
    }

    constructor(address owner_, address operator_) {
        if (owner_ == address(0)) revert ZeroAddress();
        owner = owner_;
        emit OwnershipMoved(address(0), owner_);
        if (operator_ != address(0)) {
            isOperator[operator_] = true;
            emit OperatorSet(operator_, true);
        }
    }

    /// @notice Lets an account run routes, or stops it at once. Errors: Unauthorized, RouteRunning.
    function setOperator(address operator, bool allowed) external onlyOwner {
        isOperator[operator] = allowed;
        emit OperatorSet(operator, allowed);
    }

    /// @notice Offers the ownership; zero takes an offer back. Errors: Unauthorized, RouteRunning.
    function transferOwnership(address to) external onlyOwner {
        pendingOwner = to;
        emit OwnershipOffered(owner, to);
    }

    /// @notice Takes the ownership that was offered to the caller. Errors: Unauthorized, RouteRunning.
    function acceptOwnership() external {
        if (msg.sender != pendingOwner) revert Unauthorized();
        if (Armed.route() != 0) revert RouteRunning();
        emit OwnershipMoved(owner, msg.sender);
        owner = msg.sender;
        pendingOwner = address(0);
    }

    /// @notice Sends tokens or ether away.
    /// @param token the token; zero for ether
    /// @param to who gets it
    /// @param amount in the token's smallest unit, or wei
    /// Errors: Unauthorized, RouteRunning, ZeroAddress, EtherRefused, Tokens.TransferFailed.
    function withdraw(address token, address to, uint256 amount) external onlyOwner {
        if (to == address(0)) revert ZeroAddress();
        emit Withdrawn(token, to, amount);
        if (token != address(0)) Tokens.transfer(token, to, amount);
        else if (!Tokens.sendEther(to, amount)) revert EtherRefused();
    }
}
