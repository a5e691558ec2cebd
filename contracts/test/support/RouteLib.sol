// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The tests' own writer of routes, by the format in docs/contracts.md
library RouteLib {
    uint8 internal constant NOBODY = 0xfc;
    uint8 internal constant WETH = 0xfb;
    uint8 internal constant BALANCER_VAULT = 0xfd;
    uint8 internal constant POOL_MANAGER = 0xfe;
    uint8 internal constant SELF = 0xff;

    /// @dev `base` 1: the first token; 2: WETH, with index `WETH`. With 4 added, the last step is `bid`.
    function head(uint8 base, uint32 maxBlock, uint96 minProfit, address[] memory tokens, address[] memory others)
        internal
        pure
        returns (bytes memory out)
    {
        out = abi.encodePacked(base, maxBlock, minProfit, uint8((tokens.length << 4) | others.length));
        for (uint256 i = 0; i < tokens.length; ++i) {
            out = abi.encodePacked(out, tokens[i]);
        }
        for (uint256 i = 0; i < others.length; ++i) {
            out = abi.encodePacked(out, others[i]);
        }
    }

    function transfer(uint8 token, uint8 to, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x01), token, to, uint128(amount));
    }

    function v2(uint8 pair, uint8 to, bool takeToken1, uint256 amountOut) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(takeToken1 ? 0x82 : 0x02), pair, to, uint112(amountOut));
    }

    function v2Paid(uint8 token, uint8 pair, uint8 to, bool takeToken1, uint256 amountIn, uint256 amountOut)
        internal
        pure
        returns (bytes memory)
    {
        uint8 step = takeToken1 ? 0x83 : 0x03;
        return abi.encodePacked(step, token, pair, to, uint112(amountIn), uint112(amountOut));
    }

    function v2Flash(uint8 pair, bool takeToken1, uint256 amountOut) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(takeToken1 ? 0x84 : 0x04), pair, uint112(amountOut));
    }

    function v3(uint8 pool, uint8 to, bool zeroForOne, uint256 amountIn) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(zeroForOne ? 0x85 : 0x05), pool, to, uint128(amountIn));
    }

    function v4Unlock() internal pure returns (bytes memory) {
        return hex"06";
    }

    function v4Swap(
        uint8 currency0,
        uint8 currency1,
        uint24 fee,
        int24 tickSpacing,
        uint8 hooks,
        uint8 to,
        bool zeroForOne,
        uint256 amountIn
    ) internal pure returns (bytes memory) {
        return abi.encodePacked(
            uint8(zeroForOne ? 0x89 : 0x09), currency0, currency1, fee, tickSpacing, hooks, to, uint128(amountIn)
        );
    }

    function v4Take(uint8 currency, uint8 to, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x07), currency, to, uint128(amount));
    }

    function v4Loan(uint8 token, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x15), token, uint128(amount));
    }

    function v4Sync(uint8 currency) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x0a), currency);
    }

    function v4Settle() internal pure returns (bytes memory) {
        return hex"0b";
    }

    function v4Pay(uint8 token, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x08), token, uint128(amount));
    }

    function balancer(bytes32 poolId, uint8 tokenIn, uint8 tokenOut, uint8 to, uint256 amountIn)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(0x0c), tokenIn, tokenOut, to, uint128(amountIn), poolId);
    }

    function balancerLoan(uint8 token, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x0d), token, uint128(amount));
    }

    function aaveLoan(uint8 token, uint256 amount, uint256 repay) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x0e), token, uint128(amount), uint128(repay));
    }

    function erc3156Loan(uint8 token, uint8 lender, uint256 amount, uint256 repay)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(0x0f), token, lender, uint128(amount), uint128(repay));
    }

    function wrap(uint256 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x10), uint128(amount));
    }

    function unwrap(uint8 token, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x11), token, uint128(amount));
    }

    function parent(bytes32 hash) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x13), hash);
    }

    function deadline(uint32 time) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x12), time);
    }

    function bid(uint256 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(0x14), uint96(amount));
    }

    /// @dev A whole route: `amountIn` WETH into the first pair, `amountOut` out of it. What the second gives is
    /// `amountIn` and the profit.
    function v2Cycle(
        uint32 maxBlock,
        uint256 profit,
        address first,
        address second,
        bool wethIsToken1,
        uint256 amountIn,
        uint256 amountOut
    ) internal pure returns (bytes memory) {
        uint8 kind = wethIsToken1 ? 0x18 : 0x08;
        return abi.encodePacked(kind, maxBlock, uint96(profit), second, first, uint112(amountIn), uint112(amountOut));
    }
}
