// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "./Interfaces.sol";

struct Hop {
    bool v3;
    address router;
    address tokenIn;
    address tokenOut;
}

/// @notice How arbitrage is done through the public routers: from one's own funds, or a loan of Balancer's or Aave's.
/// Standing approvals, a profit check by balance, no guards: in its favour.
contract RouterArbitrage {
    address internal immutable operator = msg.sender;
    address internal immutable vault;
    address internal immutable aave;

    constructor(address vault_, address aave_) {
        (vault, aave) = (vault_, aave_);
    }

    function approve(address token, address router) external {
        require(msg.sender == operator);
        IToken(token).approve(router, type(uint256).max);
        if (IToken(token).allowance(address(this), aave) == 0) IToken(token).approve(aave, type(uint256).max);
    }

    /// @param source 0: own funds, 1: Balancer, 2: Aave
    function run(uint8 source, address token, uint256 amount, Hop[] calldata hops) external {
        require(msg.sender == operator);
        uint256 before = IToken(token).balanceOf(address(this));
        if (source == 0) {
            trade(amount, hops);
        } else if (source == 1) {
            address[] memory tokens = new address[](1);
            uint256[] memory amounts = new uint256[](1);
            (tokens[0], amounts[0]) = (token, amount);
            IVault(vault).flashLoan(address(this), tokens, amounts, abi.encode(hops));
        } else {
            IAavePool(aave).flashLoanSimple(address(this), token, amount, abi.encode(hops), 0);
        }
        require(IToken(token).balanceOf(address(this)) > before, "no profit");
    }

    function receiveFlashLoan(
        address[] calldata tokens,
        uint256[] calldata amounts,
        uint256[] calldata fees,
        bytes calldata data
    ) external {
        require(msg.sender == vault);
        trade(amounts[0], abi.decode(data, (Hop[])));
        IToken(tokens[0]).transfer(vault, amounts[0] + fees[0]);
    }

    function executeOperation(address, uint256 amount, uint256, address initiator, bytes calldata data)
        external
        returns (bool)
    {
        require(msg.sender == aave && initiator == address(this));
        trade(amount, abi.decode(data, (Hop[])));
        return true;
    }

    function trade(uint256 amount, Hop[] memory hops) internal {
        for (uint256 i = 0; i < hops.length; ++i) {
            Hop memory hop = hops[i];
            if (hop.v3) {
                amount = IV3Router(hop.router)
                    .exactInputSingle(
                        IV3Router.ExactInputSingle(
                            hop.tokenIn, hop.tokenOut, 500, address(this), block.timestamp, amount, 0, 0
                        )
                    );
            } else {
                address[] memory path = new address[](2);
                (path[0], path[1]) = (hop.tokenIn, hop.tokenOut);
                amount =
                    IV2Router(hop.router).swapExactTokensForTokens(amount, 0, path, address(this), block.timestamp)[1];
            }
        }
    }
}

/// @notice A plain V2-V2 flash swap: one owner in code, no profit check, no guards, no other pools.
contract PlainArbitrage {
    address internal immutable operator = msg.sender;

    function flash(
        address first,
        address second,
        address token,
        uint256 amount,
        uint256 middle,
        uint256 out,
        bool firstTakes1,
        bool secondTakes1
    ) external {
        require(msg.sender == operator);
        bytes memory data = abi.encode(first, token, amount, middle, firstTakes1);
        IV2Pair(second).swap(secondTakes1 ? 0 : out, secondTakes1 ? out : 0, address(this), data);
    }

    function uniswapV2Call(address sender, uint256, uint256, bytes calldata data) external {
        require(sender == address(this));
        (address first, address token, uint256 amount, uint256 middle, bool takes1) =
            abi.decode(data, (address, address, uint256, uint256, bool));
        IToken(token).transfer(first, amount);
        IV2Pair(first).swap(takes1 ? 0 : middle, takes1 ? middle : 0, msg.sender, "");
    }
}
