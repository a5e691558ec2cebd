// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Config, IFlashExecutor} from "../../src/IFlashExecutor.sol";

// What the tests call of the protocols. The code behind is the protocols' own, from npm.

interface IToken {
    function balanceOf(address) external view returns (uint256);
    function allowance(address, address) external view returns (uint256);
    function transfer(address, uint256) external returns (bool);
    function transferFrom(address, address, uint256) external returns (bool);
    function approve(address, uint256) external returns (bool);
    function totalSupply() external view returns (uint256);
}

interface IWeth is IToken {
    function deposit() external payable;
    function withdraw(uint256) external;
}

interface IV2Factory {
    function createPair(address, address) external returns (address);
    function getPair(address, address) external view returns (address);
}

interface IV2Pair {
    function token0() external view returns (address);
    function getReserves() external view returns (uint112, uint112, uint32);
    function mint(address) external returns (uint256);
    function sync() external;
    function swap(uint256, uint256, address, bytes calldata) external;
}

interface IV2Router {
    function swapExactTokensForTokens(uint256, uint256, address[] calldata, address, uint256)
        external
        returns (uint256[] memory);
}

interface IV3Factory {
    function createPool(address, address, uint24) external returns (address);
}

interface IV3Pool {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function initialize(uint160) external;
    function mint(address, int24, int24, uint128, bytes calldata) external returns (uint256, uint256);
    function swap(address, bool, int256, uint160, bytes calldata) external returns (int256, int256);
}

interface IV3Router {
    struct ExactInputSingle {
        address tokenIn;
        address tokenOut;
        uint24 fee;
        address recipient;
        uint256 deadline;
        uint256 amountIn;
        uint256 amountOutMinimum;
        uint160 sqrtPriceLimitX96;
    }

    function exactInputSingle(ExactInputSingle calldata) external payable returns (uint256);
}

struct PoolKey {
    address currency0;
    address currency1;
    uint24 fee;
    int24 tickSpacing;
    address hooks;
}

struct ModifyLiquidityParams {
    int24 tickLower;
    int24 tickUpper;
    int256 liquidityDelta;
    bytes32 salt;
}

struct SwapParams {
    bool zeroForOne;
    int256 amountSpecified;
    uint160 sqrtPriceLimitX96;
}

interface IPoolManager {
    function unlock(bytes calldata) external returns (bytes memory);
    function initialize(PoolKey calldata, uint160) external returns (int24);
    function modifyLiquidity(PoolKey calldata, ModifyLiquidityParams calldata, bytes calldata)
        external
        returns (int256, int256);
    function swap(PoolKey calldata, SwapParams calldata, bytes calldata) external returns (int256);
    function sync(address) external;
    function settle() external payable returns (uint256);
    function take(address, address, uint256) external;
    function setProtocolFeeController(address) external;
}

interface IVault {
    enum SwapKind {
        GIVEN_IN,
        GIVEN_OUT
    }

    struct SingleSwap {
        bytes32 poolId;
        SwapKind kind;
        address assetIn;
        address assetOut;
        uint256 amount;
        bytes userData;
    }

    struct FundManagement {
        address sender;
        bool fromInternalBalance;
        address recipient;
        bool toInternalBalance;
    }

    struct JoinPoolRequest {
        address[] assets;
        uint256[] maxAmountsIn;
        bytes userData;
        bool fromInternalBalance;
    }

    function swap(SingleSwap calldata, FundManagement calldata, uint256, uint256) external payable returns (uint256);
    function joinPool(bytes32, address, address, JoinPoolRequest calldata) external payable;
    function flashLoan(address, address[] calldata, uint256[] calldata, bytes calldata) external;
}

interface IWeightedPoolFactory {
    function create(string calldata, string calldata, address[] calldata, uint256[] calldata, uint256, address)
        external
        returns (address);
}

interface IWeightedPool {
    function getPoolId() external view returns (bytes32);
}

interface IAaveProvider {
    function setACLAdmin(address) external;
    function setACLManager(address) external;
    function setPoolImpl(address) external;
    function setPoolConfiguratorImpl(address) external;
    function getPool() external view returns (address);
    function getPoolConfigurator() external view returns (address);
}

interface IAaveAcl {
    function addPoolAdmin(address) external;
    function addAssetListingAdmin(address) external;
}

struct InitReserveInput {
    address aTokenImpl;
    address stableDebtTokenImpl;
    address variableDebtTokenImpl;
    uint8 underlyingAssetDecimals;
    address interestRateStrategyAddress;
    address underlyingAsset;
    address treasury;
    address incentivesController;
    string aTokenName;
    string aTokenSymbol;
    string variableDebtTokenName;
    string variableDebtTokenSymbol;
    string stableDebtTokenName;
    string stableDebtTokenSymbol;
    bytes params;
}

interface IAaveConfigurator {
    function initReserves(InitReserveInput[] calldata) external;
    function setReserveFlashLoaning(address, bool) external;
    function updateFlashloanPremiumTotal(uint128) external;
}

interface IAavePool {
    function supply(address, uint256, address, uint16) external;
    function flashLoanSimple(address, address, uint256, bytes calldata, uint16) external;
}
