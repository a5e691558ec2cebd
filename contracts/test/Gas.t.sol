// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {RouteLib} from "./support/RouteLib.sol";
import "./support/Interfaces.sol";

/// @title Gas of whole transactions
/// forge-config: default.isolate = true
contract GasTest is World {
    address cheap;
    address dear;
    uint256 constant AMOUNT = 3 ether;

    function setUp() public virtual {
        deployTokens();
        deployV2();
        deployV4();
        cheap = v2Pool(uniswapV2, address(weth), address(x), 1000 ether, 3_100_000 ether);
        dear = v2Pool(sushi, address(weth), address(x), 1000 ether, 3_000_000 ether);
        weth.transfer(address(manager), 1000 ether);
        deployExecutor();
    }

    function test_dump() public {
        setUp();
        vm.dumpState("cache/state.json");
        vm.writeFile("cache/route.txt", string.concat(vm.toString(v2v2(0)), " ", vm.toString(noop())));
        vm.writeFile("cache/who.txt", string.concat(vm.toString(operator), " ", vm.toString(address(executor))));
    }

    function label() internal view virtual returns (string memory) { return ""; }
    function measure(string memory name, bytes memory route) internal {
        vm.prank(operator);
        (bool ok, bytes memory answer) = address(executor).call(route);
        vm.snapshotGasLastCall("transactions", string.concat(name, label()));
        if (!ok) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function v2v2(uint256 bid) internal view returns (bytes memory route) {
        uint256 got = quoteV2(cheap, address(weth), AMOUNT);
        uint256 out = quoteV2(dear, address(x), got);
        route = bytes.concat(
            RouteLib.head(2, 22_000_002, uint96(out - AMOUNT - bid), none(), list(cheap, dear)),
            RouteLib.v2Flash(1, isToken1(dear, address(weth)), out),
            RouteLib.v2Paid(RouteLib.WETH, 0, 1, isToken1(cheap, address(x)), AMOUNT, got)
        );
        if (bid != 0) route = withBid(route, bid);
    }

    function test_v2_v2() public {
        measure("v2-v2", v2v2(0));
    }

    function test_v2_v2_bid() public {
        measure("v2-v2, builder paid", v2v2(0.01 ether));
    }

    function noop() internal view returns (bytes memory) {
        return bytes.concat(
            RouteLib.head(2, 22_000_002, 0, none(), none()),
            RouteLib.v4Unlock(),
            RouteLib.v4Take(RouteLib.WETH, RouteLib.SELF, 100 ether),
            RouteLib.v4Pay(RouteLib.WETH, 100 ether)
        );
    }

    function test_v4_noop() public {
        measure("v4 no-op", noop());
    }
}

/// forge-config: default.isolate = true
contract GasSolmateTest is GasTest {
    function deployTokens() internal override {
        vm.warp(1_750_000_000);
        vm.roll(22_000_000);
        weth = IWeth(create(code("@uniswap/v4-periphery/foundry-out/WETH.sol/WETH.default.json", ".bytecode.object"), ""));
        vm.deal(address(this), 1e30);
        weth.deposit{value: 1e28}();
        x = solmate();
        y = solmate();
    }

    function label() internal view override returns (string memory) { return " solmate"; }
    function solmate() internal returns (IToken t) {
        bytes memory c = code("@uniswap/v4-periphery/foundry-out/MockERC20.sol/MockERC20.json", ".bytecode.object");
        t = IToken(create(c, abi.encode("x", "x", uint8(18))));
        (bool ok,) = address(t).call(abi.encodeWithSignature("mint(address,uint256)", address(this), 1e33));
        require(ok);
    }
}
