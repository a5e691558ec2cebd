// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The chain's contracts that routes may name without spelling them out; zero where a chain has none.
struct Config {
    /// Uniswap V4's PoolManager.
    address poolManager;
    /// Balancer V2's Vault.
    address balancerVault;
    /// Aave V3's Pool.
    address aavePool;
    /// The wrapped native token, WETH9 or alike; never zero.
    address weth;
}

/// @title What a FlashExecutor has by name: who may do what, and withdrawing
/// @notice The owner alone withdraws and names operators; ownership moves in two steps. An operator runs routes, which
/// are calldata without a function's name (see FlashExecutor), and can do nothing else. While a route runs, every
/// function here reverts with NotArmed: a hostile pool that also controls the owner's wallet could otherwise move funds
/// between the two balance checks of a run.
interface IFlashExecutor {
    // Access.

    /// @notice The caller is not the owner, the pending owner or an operator, whichever the call needs.
    error Unauthorized();
    /// @notice Ether, tokens, ownership or the wrapped native token would be the zero address.
    error ZeroAddress();
    /// @notice `to` did not take the ether.
    error EtherRefused();
    /// @notice No route begins like this, and no function has this selector; or ether came with a function's call.
    error UnknownCall();

    // Tokens.

    /// @notice The token reverted, returned something but true, or has no code.
    error TransferFailed(address token);
    /// @notice As above, for an approval; or the allowance of a lender that the route names was not zero before, not what
    /// was approved after, or is not zero in the end.
    error ApproveFailed(address token);
    /// @notice The token does not answer `balanceOf` or `allowance` with a number.
    error NotAToken(address token);

    // Routes.

    /// @notice The route has no base asset, is longer than 32,767 bytes, or does not end with its last step.
    error BadRoute();
    /// @notice The route has a step that does not exist.
    error UnknownStep(uint256 step);
    /// @notice The block's number is beyond the route's last block, or its time beyond the deadline.
    error Expired();
    /// @notice The parent block is not the one the route was made on.
    error WrongParent();
    /// @notice A token would leave that the route does not list. `index` is how the route names it.
    error NotListed(uint256 index);
    /// @notice A route runs, and the caller may not call back or brings another route.
    error NotArmed();
    /// @notice The executor would end with less of `token` (zero: ether) than it must, in its smallest unit; `needed` is
    /// the largest number where the balance before and the profit come to more.
    error BalanceTooLow(address token, uint256 balance, uint256 needed);
    /// @notice A builder is bid for, and the base asset is neither ether nor the wrapped native token.
    error BidNotInEther();
    /// @notice The builder did not take its payment.
    error BidRefused();

    event OperatorSet(address indexed operator, bool allowed);
    event OwnershipOffered(address indexed owner, address indexed pendingOwner);
    event OwnershipMoved(address indexed previousOwner, address indexed owner);
    event Withdrawn(address indexed token, address indexed to, uint256 amount);

    /// @notice The one that withdraws and names operators.
    function owner() external view returns (address);

    /// @notice The one that becomes the owner once it calls `acceptOwnership`; zero when nobody was named.
    function pendingOwner() external view returns (address);

    /// @notice Whether an address may run routes.
    function isOperator(address account) external view returns (bool);

    /// @notice The chain's contracts that this executor was made with.
    function config() external view returns (Config memory);

    /// @notice Lets an account run routes, or stops it at once. Owner only.
    function setOperator(address operator, bool allowed) external;

    /// @notice Offers the ownership; zero takes an offer back. Owner only.
    function transferOwnership(address to) external;

    /// @notice Takes the ownership that was offered to the caller.
    function acceptOwnership() external;

    /// @notice Sends tokens or ether away. Owner only.
    /// @param token the token; zero for ether
    /// @param to who gets it; not zero
    /// @param amount in the token's smallest unit, or wei
    function withdraw(address token, address to, uint256 amount) external;
}
