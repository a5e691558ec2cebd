// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {RouteLib} from "./support/RouteLib.sol";
import {RouterArbitrage, Hop, PlainArbitrage} from "./support/Plain.sol";
import {Lender} from "./support/Hostile.sol";
import "./support/Interfaces.sol";

struct AccessListItem {
    address target;
    bytes32[] storageKeys;
}

interface VmAccessList {
    function accessList(AccessListItem[] calldata) external;
    function noAccessList() external;
}

/// @title Gas of whole transactions, into snapshots/transactions.json
/// @dev Isolated: forge runs each top-level call as a transaction of its own, cold, with the 21,000 and the calldata, and
/// refunds deducted, as a receipt has it (script/receipts.py holds two of them against anvil's receipts). Tokens are
/// WETH9 and Uniswap V2's own ERC-20. The pairs were traded in the same block already, but for the row that says
/// otherwise: the first trade of a block writes the pairs' price sums too.
/// forge-config: default.isolate = true
contract GasTest is World {
    address internal cheap; // 3100 x for a WETH
    address internal dear; // 3000
    address internal v3; // 3200
    address internal v3y; // x for y, 1:1
    address internal dearY; // 3000 y for a WETH
    RouterArbitrage internal routers;
    PlainArbitrage internal plain;

    uint256 internal constant AMOUNT = 3 ether;
    uint256 internal constant TIP = 0.01 ether;
    uint32 internal constant LAST_BLOCK = 22_000_002;

    function setUp() public {
        deployVenues();
        deployAave(x, 1000 ether);
        bool first = address(weth) < address(x);
        cheap = v2Pool(uniswapV2, address(weth), address(x), 1000 ether, 3_100_000 ether);
        dear = v2Pool(sushi, address(weth), address(x), 1000 ether, 3_000_000 ether);
        dearY = v2Pool(sushi, address(weth), address(y), 1000 ether, 3_000_000 ether);
        v3 = v3Pool(address(weth), address(x), 500, first ? sqrtPrice(1, 3200) : sqrtPrice(3200, 1), 100_000 ether);
        v3y = v3Pool(address(x), address(y), 500, Q96, 10_000_000 ether);
        weth.transfer(address(manager), 1000 ether);
        weth.transfer(address(vault), 1000 ether);
        deployExecutor();
        vm.startPrank(operator);
        routers = new RouterArbitrage(address(vault), address(aave));
        plain = new PlainArbitrage();
        vm.stopPrank();
        IToken[3] memory tokens = [IToken(address(weth)), x, y];
        for (uint256 i = 0; i < 3; ++i) {
            tokens[i].transfer(address(plain), 1);
            tokens[i].transfer(address(routers), 1);
            vm.prank(operator);
            routers.approve(address(tokens[i]), address(uniswapRouter));
            vm.prank(operator);
            routers.approve(address(tokens[i]), address(sushiRouter));
            vm.prank(operator);
            routers.approve(address(tokens[i]), address(v3Router));
        }
        weth.transfer(address(routers), 100 ether); // what it trades with where it does not borrow
    }

    // Measuring.

    function transact(address to, bytes memory data) internal {
        vm.prank(operator);
        (bool ok, bytes memory answer) = to.call(data);
        if (!ok) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    /// @dev One transaction from the operator, undone afterwards. Returns what a receipt would say.
    function gasOf(string memory name, address to, bytes memory data) internal returns (uint256 gas) {
        uint256 state = vm.snapshotState();
        transact(to, data);
        gas = vm.snapshotGasLastCall("transactions", name);
        vm.revertToState(state);
    }

    /// @dev The route as it is, with the access list that EIP-2930 pays for, with a builder, and with both.
    function measure(string memory name, bytes memory route, bytes memory withTip)
        internal
        returns (uint256 gas, uint256 listed)
    {
        gas = gasOf(name, address(executor), route);
        gasOf(string.concat(name, ", builder paid"), address(executor), withTip);
        VmAccessList(address(vm)).accessList(accessList(route));
        listed = gasOf(string.concat(name, ", access list"), address(executor), route);
        assertLt(listed, gas);
        VmAccessList(address(vm)).noAccessList();
    }

    /// @dev Every account but the executor (it is warm as the receiver) that the route reads slots of, and the slots. A
    /// slot in the list costs 1,900 and saves 2,000; an account costs 2,400 and saves 2,500.
    function accessList(bytes memory route) internal returns (AccessListItem[] memory items) {
        address[9] memory all = [address(weth), address(x), address(y), cheap, dear, dearY, v3, v3y, address(manager)];
        uint256 state = vm.snapshotState();
        vm.record();
        transact(address(executor), route);
        items = new AccessListItem[](9);
        uint256 count;
        for (uint256 i = 0; i < 9; ++i) {
            (bytes32[] memory reads,) = vm.accesses(all[i]);
            // The manager of the no-op keeps all in transient storage; its account is used all the same.
            if (reads.length != 0 || (i == 8 && route.length < 60)) {
                items[count++] = AccessListItem(all[i], once(reads));
            }
        }
        assembly {
            mstore(items, count)
        }
        vm.revertToState(state);
    }

    function once(bytes32[] memory slots) internal pure returns (bytes32[] memory out) {
        out = new bytes32[](slots.length);
        uint256 count;
        for (uint256 i = 0; i < slots.length; ++i) {
            bool known;
            for (uint256 j = 0; j < count; ++j) {
                known = known || out[j] == slots[i];
            }
            if (!known) out[count++] = slots[i];
        }
        assembly {
            mstore(out, count)
        }
    }

    function wethHead(uint256 minProfit, address[] memory others) internal pure override returns (bytes memory) {
        return RouteLib.head(2, LAST_BLOCK, uint96(minProfit), none(), others);
    }

    function buy(uint256 got) internal view returns (bytes memory) {
        return RouteLib.v2Paid(RouteLib.WETH, 0, 1, isToken1(cheap, address(x)), AMOUNT, got);
    }

    // V2 to V2.

    function v2v2(uint256 tip) public view returns (bytes memory route) {
        uint256 got = quoteV2(cheap, address(weth), AMOUNT);
        uint256 out = quoteV2(dear, address(x), got);
        bool wethIsToken1 = isToken1(cheap, address(weth));
        route = RouteLib.v2Cycle(LAST_BLOCK, out - AMOUNT - tip, cheap, dear, wethIsToken1, AMOUNT, got);
        if (tip != 0) route = withBid(route, tip);
    }

    /// @dev What cycles over V2 in another base asset, or with other steps around, cost.
    function v2v2Steps() public view returns (bytes memory) {
        uint256 got = quoteV2(cheap, address(weth), AMOUNT);
        uint256 out = quoteV2(dear, address(x), got);
        bytes memory flash = RouteLib.v2Flash(1, isToken1(dear, address(weth)), out);
        return bytes.concat(wethHead(out - AMOUNT, list(cheap, dear)), flash, buy(got));
    }

    function test_v2_v2() public {
        (, uint256 listed) = measure("V2-V2, flash swap", v2v2(0), v2v2(TIP));
        assertLt(listed, 112_000);
        uint256 gas = gasOf("V2-V2, flash swap, as steps", address(executor), v2v2Steps());
        uint256 got = quoteV2(cheap, address(weth), AMOUNT);
        uint256 out = quoteV2(dear, address(x), got);
        bytes memory call = abi.encodeCall(
            PlainArbitrage.flash,
            (cheap, dear, address(weth), AMOUNT, got, out, isToken1(cheap, address(x)), isToken1(dear, address(weth)))
        );
        gasOf("V2-V2, a plain contract without checks", address(plain), call);
        assertLt(gas, throughRouters("V2-V2, routers", 0, hops(hop(0, cheap), hop(1, dear))));
        vm.warp(block.timestamp + 12);
        IV2Pair(cheap).sync();
        IV2Pair(dear).sync();
        vm.warp(block.timestamp + 12);
        gasOf("V2-V2, flash swap, first trade of the block", address(executor), v2v2(0));
    }

    // V4.

    function noop(uint256 tip) public view returns (bytes memory route) {
        route = bytes.concat(wethHead(0, none()), RouteLib.v4Unlock(), RouteLib.v4Loan(RouteLib.WETH, 100 ether));
        if (tip != 0) route = withBid(route, tip);
    }

    function test_v4_no_op() public {
        // Its builder is bid nothing, since nothing is earned: the row has the cost of a bid of 0 wei.
        bytes memory withTip = withBid(noop(0), 0);
        (uint256 gas,) = measure("V4-funded no-op", noop(0), withTip);
        assertLt(gas, 51_500);
    }

    // V3 to V2.

    function test_v3_v2() public {
        uint256 got = quoteV3(v3, address(weth) < address(x), AMOUNT);
        uint256 out = quoteV2(dear, address(x), got);
        bytes memory steps = bytes.concat(
            RouteLib.v3(0, 1, address(weth) < address(x), AMOUNT),
            RouteLib.v2(1, RouteLib.SELF, isToken1(dear, address(weth)), out),
            RouteLib.transfer(RouteLib.WETH, 0, AMOUNT)
        );
        (uint256 gas,) = measure(
            "V3-V2, flash swap",
            bytes.concat(wethHead(out - AMOUNT, list(v3, dear)), steps),
            withBid(bytes.concat(wethHead(out - AMOUNT - TIP, list(v3, dear)), steps), TIP)
        );
        assertLt(gas, throughRouters("V3-V2, routers", 0, hops(hop(2, v3), hop(1, dear))));
    }

    // V2 to V3 to V2.

    function test_v2_v3_v2() public {
        uint256 gotX = quoteV2(cheap, address(weth), AMOUNT);
        uint256 gotY = quoteV3(v3y, address(x) < address(y), gotX);
        uint256 out = quoteV2(dearY, address(y), gotY);
        bytes memory steps = bytes.concat(
            RouteLib.v2Flash(2, isToken1(dearY, address(weth)), out),
            RouteLib.v3(1, 2, address(x) < address(y), gotX),
            buy(gotX)
        );
        address[] memory pools = list(cheap, v3y, dearY);
        (uint256 gas,) = measure(
            "V2-V3-V2, flash swap",
            bytes.concat(wethHead(out - AMOUNT, pools), steps),
            withBid(bytes.concat(wethHead(out - AMOUNT - TIP, pools), steps), TIP)
        );
        Hop[] memory way = new Hop[](3);
        (way[0], way[1], way[2]) = (hop(0, cheap), hop(2, v3y), hop(1, dearY));
        way[1].tokenIn = address(x);
        way[1].tokenOut = address(y);
        way[2].tokenIn = address(y);
        assertLt(gas, throughRouters("V2-V3-V2, routers", 0, way));
    }

    // Borrowed from Balancer, Aave and an ERC-3156 lender, V2 to V2.

    function hopsInHand() internal view returns (uint256 out, bytes memory steps) {
        uint256 got = quoteV2(cheap, address(weth), AMOUNT);
        out = quoteV2(dear, address(x), got);
        steps = bytes.concat(buy(got), RouteLib.v2(1, RouteLib.SELF, isToken1(dear, address(weth)), out));
    }

    function test_balancer() public {
        (uint256 out, bytes memory way) = hopsInHand();
        bytes memory steps = bytes.concat(
            RouteLib.balancerLoan(RouteLib.WETH, AMOUNT),
            way,
            RouteLib.transfer(RouteLib.WETH, RouteLib.BALANCER_VAULT, AMOUNT)
        );
        (uint256 gas,) = measure(
            "Balancer-funded V2-V2",
            bytes.concat(wethHead(out - AMOUNT, list(cheap, dear)), steps),
            withBid(bytes.concat(wethHead(out - AMOUNT - TIP, list(cheap, dear)), steps), TIP)
        );
        assertLt(gas, throughRouters("Balancer-funded V2-V2, routers", 1, hops(hop(0, cheap), hop(1, dear))));
    }

    function test_aave() public {
        (uint256 out, bytes memory way) = hopsInHand();
        uint256 premium = AMOUNT * 5 / 10_000;
        bytes memory steps = bytes.concat(RouteLib.aaveLoan(RouteLib.WETH, AMOUNT, AMOUNT + premium), way);
        (uint256 gas,) = measure(
            "Aave-funded V2-V2",
            bytes.concat(wethHead(out - AMOUNT - premium, list(cheap, dear)), steps),
            withBid(bytes.concat(wethHead(out - AMOUNT - premium - TIP, list(cheap, dear)), steps), TIP)
        );
        assertLt(gas, throughRouters("Aave-funded V2-V2, routers", 2, hops(hop(0, cheap), hop(1, dear))));
    }

    function test_erc3156() public {
        (uint256 out, bytes memory way) = hopsInHand();
        Lender lender = new Lender();
        weth.transfer(address(lender), 1000 ether);
        uint256 fee = lender.flashFee(address(weth), AMOUNT);
        bytes memory start = wethHead(out - AMOUNT - fee, list(cheap, dear, address(lender)));
        bytes memory loan = RouteLib.erc3156Loan(RouteLib.WETH, 2, AMOUNT, AMOUNT + fee);
        gasOf("ERC-3156-funded V2-V2", address(executor), bytes.concat(start, loan, way));
    }

    // The same through the public routers.

    /// @dev Kind 0: Uniswap V2's router, 1: Sushi's, 2: V3's.
    function hop(uint8 kind, address pool) internal view returns (Hop memory) {
        address router = kind == 0 ? address(uniswapRouter) : kind == 1 ? address(sushiRouter) : address(v3Router);
        bool selling = pool == cheap || pool == v3;
        return Hop(kind == 2, router, selling ? address(weth) : address(x), selling ? address(x) : address(weth));
    }

    function hops(Hop memory a, Hop memory b) internal pure returns (Hop[] memory way) {
        way = new Hop[](2);
        (way[0], way[1]) = (a, b);
    }

    function throughRouters(string memory name, uint8 source, Hop[] memory way) internal returns (uint256) {
        return gasOf(name, address(routers), abi.encodeCall(RouterArbitrage.run, (source, address(weth), AMOUNT, way)));
    }

    // For script/receipts.py.

    function test_written_down_for_receipts() public {
        setUp(); // what setUp made before is not part of a dump
        vm.dumpState("cache/state.json");
        string memory json = vm.serializeAddress("receipts", "operator", operator);
        json = vm.serializeAddress("receipts", "executor", address(executor));
        json = vm.serializeBytes("receipts", "V4-funded no-op", noop(0));
        json = vm.serializeBytes("receipts", "V2-V2, flash swap", v2v2(0));
        json = vm.serializeBytes("receipts", "V2-V2, flash swap, access list", v2v2(0));
        AccessListItem[] memory items = accessList(v2v2(0));
        for (uint256 i = 0; i < items.length; ++i) {
            json = vm.serializeBytes32("access list", vm.toString(items[i].target), items[i].storageKeys);
        }
        json = vm.serializeString("receipts", "access list", json);
        vm.writeJson(json, "cache/receipts.json");
    }
}
