// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {RouteLib} from "./support/RouteLib.sol";
import "./support/Interfaces.sol";

struct AccessListItem {
    address target;
    bytes32[] storageKeys;
}

interface VmAccessList {
    function accessList(AccessListItem[] calldata) external;
    function noAccessList() external;
}

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

    function newToken(uint256 supply) internal override returns (IToken t) {
        t = IToken(create(code("@uniswap/v4-core/out/TestERC20.sol/TestERC20.json", ".bytecode.object"), abi.encode(uint256(0))));
        (bool ok,) = address(t).call(abi.encodeWithSignature("mint(address,uint256)", address(this), supply));
        require(ok);
    }

    function test_dump() public {
        setUp();
        vm.dumpState("cache/state.json");
        vm.writeFile("cache/route.txt", string.concat(vm.toString(v2v2(0)), " ", vm.toString(noop())));
        vm.writeFile("cache/who.txt", string.concat(vm.toString(operator), " ", vm.toString(address(executor))));
    }

    function label() internal pure virtual returns (string memory) { return ""; }
    function measure(string memory name, bytes memory route) internal {
        uint256 state = vm.snapshotState();
        vm.record();
        run1(route);
        address[5] memory all = [address(weth), address(x), cheap, dear, address(manager)];
        AccessListItem[] memory items = new AccessListItem[](5);
        uint256 n;
        for (uint256 i = 0; i < 5; ++i) {
            (bytes32[] memory reads,) = vm.accesses(all[i]);
            if (reads.length == 0 && i != 4) continue;
            if (i == 4 && keccak256(bytes(name)) != keccak256("v4 no-op")) continue;
            items[n++] = AccessListItem(all[i], unique(reads));
        }
        assembly { mstore(items, n) }
        vm.revertToState(state);
        run1(route);
        vm.snapshotGasLastCall("transactions", string.concat(name, label()));
        vm.revertToState(state);
        VmAccessList(address(vm)).accessList(items);
        run1(route);
        vm.snapshotGasLastCall("transactions", string.concat(name, ", access list", label()));
        VmAccessList(address(vm)).noAccessList();
    }
    function unique(bytes32[] memory a) internal pure returns (bytes32[] memory o) {
        o = new bytes32[](a.length); uint256 n;
        for (uint256 i = 0; i < a.length; ++i) { bool seen; for (uint256 j = 0; j < n; ++j) if (o[j] == a[i]) seen = true; if (!seen) o[n++] = a[i]; }
        assembly { mstore(o, n) }
    }
    function run1(bytes memory route) internal {
        vm.prank(operator);
        (bool ok, bytes memory answer) = address(executor).call(route);
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
import {SoladyToken, SoladyWeth} from "./support/SoladyTokens.sol";
/// forge-config: default.isolate = true
contract GasSoladyTest is GasTest {
    function deployTokens() internal override {
        vm.warp(1_750_000_000);
        vm.roll(22_000_000);
        weth = IWeth(address(new SoladyWeth()));
        vm.deal(address(this), 1e30);
        weth.deposit{value: 1e28}();
        x = IToken(address(new SoladyToken(1e33)));
        y = IToken(address(new SoladyToken(1e33)));
    }
    function label() internal pure override returns (string memory) { return " (solady)"; }
}
