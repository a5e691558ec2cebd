// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import "./Interfaces.sol";

/// @notice What PancakeV3Pool asks its deployer while it is made. PancakeSwap's own deployer is on no registry.
contract PancakeDeployer {
    struct Parameters {
        address factory;
        address token0;
        address token1;
        uint24 fee;
        int24 tickSpacing;
    }

    Parameters public parameters;

    function deploy(bytes memory code, address token0, address token1, uint24 fee, int24 spacing)
        external
        returns (address pool)
    {
        parameters = Parameters(address(this), token0, token1, fee, spacing);
        bytes32 salt = keccak256(abi.encode(token0, token1, fee));
        assembly {
            pool := create2(0, add(code, 32), mload(code), salt)
        }
        delete parameters;
    }
}

/// @title Deploys the protocols' own bytecode from npm, and makes pools with it
/// @dev The test contract is deployer, owner of everything, and provider of all liquidity.
abstract contract Protocols is Test {
    string private constant NPM = "node_modules/";
    uint160 internal constant Q96 = 1 << 96;

    IWeth internal weth;
    IV2Factory internal uniswapV2;
    IV2Factory internal sushi;
    IV2Router internal uniswapRouter;
    IV2Router internal sushiRouter;
    IV3Factory internal uniswapV3;
    IV3Router internal v3Router;
    PancakeDeployer internal pancake;
    IPoolManager internal manager;
    IVault internal vault;
    IWeightedPoolFactory internal weightedPools;
    IAavePool internal aave;

    // Bytecode.

    function code(string memory path, string memory key) internal view returns (bytes memory) {
        string memory text = vm.parseJsonString(vm.readFile(string.concat(NPM, path)), key);
        return bytes(text)[1] == "x" ? vm.parseBytes(text) : vm.parseBytes(string.concat("0x", text));
    }

    function create(bytes memory creation, bytes memory arguments) internal returns (address made) {
        bytes memory all = bytes.concat(creation, arguments);
        assembly {
            made := create(0, add(all, 32), mload(all))
        }
        require(made != address(0), "not deployed");
    }

    function newToken(uint256 supply) internal virtual returns (IToken) {
        return IToken(create(code("@uniswap/v2-periphery/build/ERC20.json", ".bytecode"), abi.encode(supply)));
    }

    /// @dev Two tokens, the one with the lower address first.
    function sorted(address a, address b) internal pure returns (address, address) {
        return a < b ? (a, b) : (b, a);
    }

    // Protocols.

    function deployWeth() internal {
        weth = IWeth(create(code("@uniswap/v2-periphery/build/WETH9.json", ".bytecode"), ""));
        vm.deal(address(this), 1e30);
        weth.deposit{value: 1e28}();
    }

    function deployV2() internal {
        bytes memory factory = code("@uniswap/v2-core/build/UniswapV2Factory.json", ".bytecode");
        bytes memory router = code("@uniswap/v2-periphery/build/UniswapV2Router02.json", ".bytecode");
        uniswapV2 = IV2Factory(create(factory, abi.encode(address(this))));
        sushi = IV2Factory(create(factory, abi.encode(address(this))));
        uniswapRouter = IV2Router(create(router, abi.encode(uniswapV2, weth)));
        sushiRouter = IV2Router(create(router, abi.encode(sushi, weth)));
    }

    function deployV3() internal {
        string memory core = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
        string memory router = "@uniswap/v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json";
        uniswapV3 = IV3Factory(create(code(core, ".bytecode"), ""));
        v3Router = IV3Router(create(code(router, ".bytecode"), abi.encode(uniswapV3, weth)));
        pancake = new PancakeDeployer();
    }

    function deployV4() internal {
        bytes memory creation = code("@uniswap/v4-core/out/PoolManager.sol/PoolManager.json", ".bytecode.object");
        manager = IPoolManager(create(creation, abi.encode(address(this))));
    }

    function deployBalancer() internal {
        string memory tasks = "@balancer-labs/v2-deployments/dist/tasks/";
        address authorizer = create(
            code(string.concat(tasks, "20210418-authorizer/artifact/Authorizer.json"), ".bytecode"),
            abi.encode(address(this))
        );
        vault = IVault(
            create(
                code(string.concat(tasks, "20210418-vault/artifact/Vault.json"), ".bytecode"),
                abi.encode(authorizer, weth, uint256(0), uint256(0))
            )
        );
        weightedPools = IWeightedPoolFactory(
            create(
                code(string.concat(tasks, "20210418-weighted-pool/bytecode/WeightedPoolFactory.json"), ".creationCode"),
                abi.encode(vault)
            )
        );
    }

    // Aave V3 3.0.1 as its package has it: libraries linked here.

    function aaveFile(string memory folder, string memory name) private pure returns (string memory) {
        return string.concat("@aave/core-v3/artifacts/contracts/", folder, "/", name, ".sol/", name, ".json");
    }

    function aaveCode(string memory folder, string memory name, string[] memory names, address[] memory libraries)
        private
        view
        returns (bytes memory)
    {
        string memory text = vm.parseJsonString(vm.readFile(string.concat(NPM, aaveFile(folder, name))), ".bytecode");
        for (uint256 i = 0; i < names.length; ++i) {
            text = vm.replace(text, placeholder(names[i]), hexAddress(libraries[i]));
        }
        return vm.parseBytes(text);
    }

    /// @dev `__$` and the first 34 hex digits of the hash of the library's full name and `$__`.
    function placeholder(string memory name) private pure returns (string memory) {
        bytes32 hash = keccak256(bytes(string.concat("contracts/protocol/libraries/logic/", name, ".sol:", name)));
        return string.concat("__$", slice(vm.toString(hash), 2, 34), "$__");
    }

    function hexAddress(address a) private pure returns (string memory) {
        return slice(vm.toString(abi.encodePacked(a)), 2, 40);
    }

    function slice(string memory text, uint256 from, uint256 size) private pure returns (string memory) {
        bytes memory out = new bytes(size);
        for (uint256 i = 0; i < size; ++i) {
            out[i] = bytes(text)[from + i];
        }
        return string(out);
    }

    function aaveLibraries() private returns (string[] memory names, address[] memory libraries) {
        names = new string[](8);
        (names[0], names[1], names[2], names[3]) = ("BorrowLogic", "BridgeLogic", "EModeLogic", "LiquidationLogic");
        (names[4], names[5], names[6], names[7]) = ("PoolLogic", "SupplyLogic", "ConfiguratorLogic", "FlashLoanLogic");
        libraries = new address[](8);
        for (uint256 i = 0; i < 8; ++i) {
            libraries[i] = create(aaveCode("protocol/libraries/logic", names[i], names, libraries), "");
        }
    }

    function aaveMake(string memory folder, string memory name, bytes memory arguments) private returns (address) {
        return create(code(aaveFile(folder, name), ".bytecode"), arguments);
    }

    /// @dev A market with the wrapped native token and `token`, `supply` of each in it, premium 0.05 %.
    function deployAave(IToken token, uint256 supply) internal {
        (string[] memory names, address[] memory libraries) = aaveLibraries();
        IAaveProvider provider = IAaveProvider(
            aaveMake("protocol/configuration", "PoolAddressesProvider", abi.encode("Penstock", address(this)))
        );
        provider.setACLAdmin(address(this));
        IAaveAcl acl = IAaveAcl(aaveMake("protocol/configuration", "ACLManager", abi.encode(provider)));
        provider.setACLManager(address(acl));
        acl.addPoolAdmin(address(this));
        acl.addAssetListingAdmin(address(this));
        provider.setPoolImpl(create(aaveCode("protocol/pool", "Pool", names, libraries), abi.encode(provider)));
        provider.setPoolConfiguratorImpl(create(aaveCode("protocol/pool", "PoolConfigurator", names, libraries), ""));
        aave = IAavePool(provider.getPool());
        IAaveConfigurator configurator = IAaveConfigurator(provider.getPoolConfigurator());
        aaveReserves(address(provider), configurator, token);
        configurator.updateFlashloanPremiumTotal(5);
        for (uint256 i = 0; i < 2; ++i) {
            IToken asset = i == 0 ? IToken(address(weth)) : token;
            configurator.setReserveFlashLoaning(address(asset), true);
            asset.approve(address(aave), supply);
            aave.supply(address(asset), supply, address(this), 0);
        }
    }

    function aaveReserves(address provider, IAaveConfigurator configurator, IToken token) private {
        InitReserveInput[] memory reserves = new InitReserveInput[](2);
        uint256 ray = 1e27;
        reserves[0].interestRateStrategyAddress = aaveMake(
            "protocol/pool",
            "DefaultReserveInterestRateStrategy",
            abi.encode(
                provider, ray * 8 / 10, 0, ray / 25, ray * 3 / 5, ray / 50, ray * 3 / 5, ray / 50, ray / 20, ray / 5
            )
        );
        reserves[0].aTokenImpl = aaveMake("protocol/tokenization", "AToken", abi.encode(aave));
        reserves[0].stableDebtTokenImpl = aaveMake("protocol/tokenization", "StableDebtToken", abi.encode(aave));
        reserves[0].variableDebtTokenImpl = aaveMake("protocol/tokenization", "VariableDebtToken", abi.encode(aave));
        reserves[0].underlyingAssetDecimals = 18;
        reserves[0].treasury = address(0x7ea);
        reserves[1] = abi.decode(abi.encode(reserves[0]), (InitReserveInput));
        reserves[0].underlyingAsset = address(weth);
        reserves[1].underlyingAsset = address(token);
        configurator.initReserves(reserves);
    }

    // Pools. `a` and `b` in any order; the amounts go with them.

    function v2Pool(IV2Factory factory, address a, address b, uint256 amountA, uint256 amountB)
        internal
        returns (address pair)
    {
        pair = factory.createPair(a, b);
        IToken(a).transfer(pair, amountA);
        IToken(b).transfer(pair, amountB);
        IV2Pair(pair).mint(address(this));
    }

    /// @dev sqrt(amount1 / amount0) * 2^96
    function sqrtPrice(uint256 amount0, uint256 amount1) internal pure returns (uint160) {
        return uint160(vm_sqrt((amount1 << 96) / amount0) << 48);
    }

    function vm_sqrt(uint256 x) private pure returns (uint256 y) {
        uint256 z = (x + 1) / 2;
        y = x;
        while (z < y) (y, z) = (z, (x / z + z) / 2);
    }

    function v3Pool(address a, address b, uint24 fee, uint160 price, uint128 liquidity)
        internal
        returns (address pool)
    {
        pool = uniswapV3.createPool(a, b, fee);
        fillV3(pool, price, liquidity);
    }

    function pancakePool(address a, address b, uint24 fee, int24 spacing, uint160 price, uint128 liquidity)
        internal
        returns (address pool)
    {
        (address token0, address token1) = sorted(a, b);
        string memory path = "@pancakeswap/v3-core/artifacts/contracts/PancakeV3Pool.sol/PancakeV3Pool.json";
        pool = pancake.deploy(code(path, ".bytecode"), token0, token1, fee, spacing);
        fillV3(pool, price, liquidity);
    }

    function fillV3(address pool, uint160 price, uint128 liquidity) private {
        IV3Pool(pool).initialize(price);
        IV3Pool(pool).mint(address(this), -887220, 887220, liquidity, abi.encode(pool));
    }

    function uniswapV3MintCallback(uint256 amount0, uint256 amount1, bytes calldata data) external {
        IV3Pool pool = IV3Pool(abi.decode(data, (address)));
        IToken(pool.token0()).transfer(address(pool), amount0);
        IToken(pool.token1()).transfer(address(pool), amount1);
    }

    function pancakeV3MintCallback(uint256 amount0, uint256 amount1, bytes calldata data) external {
        IV3Pool pool = IV3Pool(abi.decode(data, (address)));
        IToken(pool.token0()).transfer(address(pool), amount0);
        IToken(pool.token1()).transfer(address(pool), amount1);
    }

    function v4Pool(address a, address b, uint24 fee, int24 spacing, address hooks, uint160 price, int256 liquidity)
        internal
        returns (PoolKey memory key)
    {
        (address currency0, address currency1) = sorted(a, b);
        key = PoolKey(currency0, currency1, fee, spacing, hooks);
        manager.initialize(key, price);
        manager.unlock(abi.encode(key, liquidity));
    }

    function payV4(address currency, uint256 amount) internal {
        if (currency == address(0)) {
            manager.settle{value: amount}();
            return;
        }
        manager.sync(currency);
        IToken(currency).transfer(address(manager), amount);
        manager.settle();
    }

    /// @dev A weighted pool of two tokens; weights in 1e18ths, fee in 1e18ths.
    function weightedPool(address a, address b, uint256 amountA, uint256 amountB, uint256 weightA, uint256 fee)
        internal
        returns (bytes32 poolId)
    {
        address[] memory tokens = new address[](2);
        uint256[] memory weights = new uint256[](2);
        uint256[] memory amounts = new uint256[](2);
        uint256 first = a < b ? 0 : 1;
        (tokens[first], tokens[1 - first]) = (a, b);
        (weights[first], weights[1 - first]) = (weightA, 1e18 - weightA);
        (amounts[first], amounts[1 - first]) = (amountA, amountB);
        address pool = weightedPools.create("pool", "P", tokens, weights, fee, address(this));
        poolId = IWeightedPool(pool).getPoolId();
        IToken(a).approve(address(vault), amountA);
        IToken(b).approve(address(vault), amountB);
        bytes memory join = abi.encode(uint256(0), amounts); // INIT
        vault.joinPool(poolId, address(this), address(this), IVault.JoinPoolRequest(tokens, amounts, join, false));
    }

    receive() external payable {}
}
