// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {RouteLib} from "./support/RouteLib.sol";
import {OddToken, Puppet, Lender} from "./support/Hostile.sol";
import "./support/Interfaces.sol";

/// @title What strangers, operators (honest and leaked) and the owner do to an executor, at random
/// @dev Every action checks its own promise right away; the invariants check what holds after any of them.
contract Handler is World {
    address internal cheap;
    address internal dear;
    address internal v3;
    Puppet internal puppet;
    Lender internal lender;
    address[3] internal tokens; // WETH, x, ether
    uint256[3] public held; // what the executor must hold at least
    uint256 public runs;
    uint256 public paid;
    uint256 public attacks;
    uint256 public attacksThatRan;

    /// @dev Not in the constructor: pools call back while they are filled.
    function init() external {
        deployVenues();
        cheap = v2Pool(uniswapV2, address(weth), address(x), 1e6 ether, 3.1e9 ether);
        dear = v2Pool(sushi, address(weth), address(x), 1e6 ether, 3.0e9 ether);
        bool first = address(weth) < address(x);
        v3 = v3Pool(address(weth), address(x), 500, first ? sqrtPrice(1, 3000) : sqrtPrice(3000, 1), 1e6 ether);
        lender = new Lender();
        puppet = new Puppet();
        weth.transfer(address(lender), 1e6 ether);
        weth.transfer(address(manager), 1e6 ether);
        weth.transfer(address(vault), 1e6 ether);
        deployExecutor();
        weth.transfer(address(executor), 100 ether);
        x.transfer(address(executor), 100 ether);
        vm.deal(address(executor), 100 ether);
        tokens = [address(weth), address(x), address(0)];
        note();
    }

    function target() external view returns (IFlashExecutor) {
        return executor;
    }

    function note() internal {
        for (uint256 i = 0; i < 3; ++i) {
            held[i] = balanceOf(tokens[i], address(executor));
        }
    }

    /// @dev After any call: nothing became less, nothing is allowed to anyone, nobody may call back.
    function check() public {
        for (uint256 i = 0; i < 3; ++i) {
            assertGe(balanceOf(tokens[i], address(executor)), held[i], "a balance became less");
        }
        address[7] memory spenders =
            [address(vault), address(manager), address(lender), address(puppet), stranger, operator, cheap];
        for (uint256 i = 0; i < 7; ++i) {
            assertEq(weth.allowance(address(executor), spenders[i]), 0, "an allowance is left");
            assertEq(x.allowance(address(executor), spenders[i]), 0, "an allowance is left");
        }
        // It answers: so no route runs, and none is armed. (A test is one transaction, transient storage lasts.)
        assertEq(executor.owner(), owner);
    }

    // An honest operator.

    function arbitrage(uint256 amount, uint256 bidShare, uint8 source) external {
        amount = _bound(amount, 0.001 ether, 500 ether);
        uint256 got = quoteV2(cheap, address(weth), amount);
        uint256 out = quoteV2(dear, address(x), got);
        if (out <= amount) return reprice(amount);
        runExactly(
            out - amount, _bound(bidShare, 0, (out - amount) / 2), steps(source % 5, amount, got, out), source % 5
        );
        finish();
    }

    function runExactly(uint256 profit, uint256 bid, bytes memory way, uint8 source) internal {
        uint256 before = weth.balanceOf(address(executor));
        uint256 builderBefore = builder.balance;
        uint256 minProfit = source == 3 ? (profit - bid) / 2 : profit - bid;
        bytes memory route = bytes.concat(wethHead(minProfit, list(cheap, dear, address(lender))), way);
        if (source == 4) {
            bool one = isToken1(cheap, address(weth));
            (uint256 amount, uint256 got) = abi.decode(way, (uint256, uint256));
            route = RouteLib.v2Cycle(ANY_BLOCK, minProfit, cheap, dear, one, amount, got);
        }
        (bool ok,) = send(operator, bid == 0 ? route : withBid(route, bid));
        if (ok) {
            ++runs;
            if (bid != 0) ++paid;
            assertGe(weth.balanceOf(address(executor)), before + minProfit, "less than minProfit");
            assertEq(builder.balance, builderBefore + bid, "the builder");
        }
        assertTrue(ok || source == 3, "an exact route failed");
    }

    function buy(uint256 amount, uint256 got) internal view returns (bytes memory) {
        return RouteLib.v2Paid(RouteLib.WETH, 0, 1, isToken1(cheap, address(x)), amount, got);
    }

    /// @dev From: the pair itself, V4, Balancer, a lender with a fee. The amounts of a cycle are no steps.
    function steps(uint8 source, uint256 amount, uint256 got, uint256 out) internal view returns (bytes memory) {
        if (source == 4) return abi.encode(amount, got);
        bool one = isToken1(dear, address(weth));
        if (source == 0) return bytes.concat(RouteLib.v2Flash(1, one, out), buy(amount, got));
        bytes memory hops = bytes.concat(buy(amount, got), RouteLib.v2(1, RouteLib.SELF, one, out));
        if (source == 1) {
            return bytes.concat(RouteLib.v4Unlock(), RouteLib.v4Loan(RouteLib.WETH, amount), hops);
        }
        if (source == 2) {
            return bytes.concat(
                RouteLib.balancerLoan(RouteLib.WETH, amount),
                hops,
                RouteLib.transfer(RouteLib.WETH, RouteLib.BALANCER_VAULT, amount)
            );
        }
        uint256 fee = lender.flashFee(address(weth), amount);
        return bytes.concat(RouteLib.erc3156Loan(RouteLib.WETH, 2, amount, amount + fee), hops);
    }

    /// @dev Somebody trades the two pools apart again.
    function reprice(uint256 amount) internal {
        amount = amount * 10;
        uint256 got = quoteV2(dear, address(weth), amount);
        weth.transfer(dear, amount);
        bool one = isToken1(dear, address(x));
        IV2Pair(dear).swap(one ? 0 : got, one ? got : 0, address(this), "");
    }

    // A leaked operator key: any steps, in any order, with any amounts.

    function attack(uint256 seed, uint8 count, uint8 kind, uint128 amount) external {
        ++attacks;
        bytes memory route = RouteLib.head(
            uint8(seed % 8),
            ANY_BLOCK,
            seed % 3 == 0 ? 0 : uint96(seed >> 32),
            seed % 5 == 0 ? list(address(x)) : seed % 7 == 0 ? list(address(0), address(x)) : none(),
            list(cheap, dear, address(puppet), stranger)
        );
        count = count % 5;
        for (uint256 i = 0; i <= count; ++i) {
            route = bytes.concat(route, step(uint256(keccak256(abi.encode(seed, i))), kind, amount));
        }
        bytes memory call = abi.encodeWithSignature("cb(int256,int256,bytes)", 1, 1, carried(route));
        if (seed % 9 == 0) (route, call) = cycle(seed, amount);
        puppet.add(address(executor), call);
        (bool ok,) = send(operator, route);
        if (ok) ++attacksThatRan;
        if (seed % 11 == 0) puppet = new Puppet();
        finish();
    }

    /// @dev A V2 cycle over any pools, for any amounts, and what its second pair should carry back.
    function cycle(uint256 seed, uint128 amount) internal view returns (bytes memory route, bytes memory call) {
        address[4] memory pools = [cheap, dear, address(puppet), stranger];
        address first = pools[(seed >> 8) % 4];
        address second = pools[(seed >> 16) % 4];
        (uint256 give, uint256 get) = (amount % 200 ether, (seed >> 24) % 1e24);
        route = RouteLib.v2Cycle(ANY_BLOCK, (seed >> 128) % 1 ether, first, second, seed & 1 == 1, give, get);
        if (seed & 2 == 2) route = withBid(route, (seed >> 160) % 1 ether);
        bytes memory back = abi.encodePacked(first, uint112(give), uint112(get));
        call = abi.encodeWithSignature("uniswapV2Call(address,uint256,uint256,bytes)", executor, 1, 0, back);
    }

    function step(uint256 r, uint8 kind, uint128 amount) internal view returns (bytes memory) {
        uint8[8] memory indices = [0, 1, 2, 3, 4, RouteLib.WETH, RouteLib.SELF, RouteLib.NOBODY];
        uint8 a = indices[(r >> 8) % 8];
        uint8 b = indices[(r >> 16) % 8];
        uint256 much = r % 4 == 0 ? amount : amount % 200 ether;
        uint256 which = (r >> 24) % 16;
        if (r % 6 == 0) which = kind % 16;
        if (which == 0) return RouteLib.transfer(a, b, much);
        if (which == 1) return RouteLib.v2(a, b, r % 2 == 0, much);
        if (which == 2) return RouteLib.v2Paid(a, b, indices[r % 8], r % 2 == 0, much, much / 3001);
        if (which == 3) return RouteLib.v2Flash(a, r % 2 == 0, much);
        if (which == 4) return RouteLib.v3(a, b, r % 2 == 0, much);
        if (which == 5) return RouteLib.v4Unlock();
        if (which == 6) return RouteLib.v4Take(a, b, much);
        if (which == 7) return RouteLib.v4Pay(a, much);
        if (which == 8) return RouteLib.v4Sync(a);
        if (which == 9) return r % 2 == 0 ? RouteLib.v4Settle() : RouteLib.v4Loan(a, much);
        if (which == 10) return RouteLib.balancerLoan(a, much);
        if (which == 11) return RouteLib.erc3156Loan(a, b, much, much);
        if (which == 12) return RouteLib.wrap(much);
        if (which == 13) return RouteLib.unwrap(a, much);
        if (which == 14) return RouteLib.bid(much);
        return RouteLib.balancer(bytes32(r), a, b, RouteLib.SELF, much);
    }

    // Strangers.

    function strangerCalls(bytes calldata call, address from, uint96 value) external {
        // The ether that is dealt below would be the executor's own.
        bool known = from == owner || from == operator || from == address(executor);
        if (known || from == address(0) || from == address(vm)) from = stranger;
        for (uint256 i = 0; i < 3; ++i) {
            held[i] = balanceOf(tokens[i], address(executor));
        }
        vm.deal(from, value);
        vm.prank(from);
        (bool ok,) = address(executor).call{value: value}(call);
        if (ok && call.length > 3) assertEq(value, 0, "took ether with a call");
        finish();
    }

    function strangerRuns(uint256 seed, uint8 count, uint8 kind, uint128 amount) external {
        bytes memory route = wethHead(0, list(cheap, dear, address(puppet), stranger));
        for (uint256 i = 0; i <= count % 4; ++i) {
            route = bytes.concat(route, step(uint256(keccak256(abi.encode(seed, i))), kind, amount));
        }
        bytes[4] memory calls = [
            route,
            abi.encodeWithSignature("uniswapV2Call(address,uint256,uint256,bytes)", executor, 1, 1, route),
            abi.encodeWithSignature("unlockCallback(bytes)", route),
            abi.encodeWithSignature("withdraw(address,address,uint256)", tokens[seed % 3], stranger, amount % 10)
        ];
        (bool ok,) = send(stranger, calls[kind % 4]);
        assertFalse(ok, "a stranger got in");
        finish();
    }

    // The owner.

    function withdraw(uint8 which, uint256 amount) external {
        which = which % 3;
        amount = _bound(amount, 0, balanceOf(tokens[which], address(executor)) / 10);
        uint256 before = balanceOf(tokens[which], address(executor));
        vm.prank(owner);
        executor.withdraw(tokens[which], owner, amount);
        held[which] = before - amount;
        finish();
    }

    function revoke(bool allowed) external {
        vm.prank(owner);
        executor.setOperator(operator, false);
        (bool ok,) = send(operator, wethHead(0, none()));
        assertFalse(ok, "a revoked operator got in");
        vm.prank(owner);
        executor.setOperator(operator, true);
        allowed;
        finish();
    }

    function finish() internal {
        check();
        note();
    }
}

contract InvariantsTest is World {
    Handler internal handler;

    function setUp() public {
        handler = new Handler();
        handler.init();
        targetContract(address(handler));
        bytes4[] memory selectors = new bytes4[](6);
        selectors[0] = Handler.arbitrage.selector;
        selectors[1] = Handler.attack.selector;
        selectors[2] = Handler.strangerCalls.selector;
        selectors[3] = Handler.strangerRuns.selector;
        selectors[4] = Handler.withdraw.selector;
        selectors[5] = Handler.revoke.selector;
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev Balances never drop outside a withdrawal, no allowance is left, nothing is armed: the handler checks after
    /// every action as well; here once more, from outside.
    function invariant_funds_stay_nothing_is_allowed_nothing_is_armed() public {
        handler.check();
    }

    function afterInvariant() public view {
        IFlashExecutor target = handler.target();
        assertEq(target.pendingOwner(), address(0));
        assertGt(handler.runs(), 0, "no route of an honest operator ran");
        assertGt(handler.attacks(), 0, "no attack was made");
    }
}
