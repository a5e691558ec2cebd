// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {RouteLib} from "./support/RouteLib.sol";
import {OddToken, Puppet} from "./support/Hostile.sol";
import {Erc404} from "./support/Erc404.sol";
import "./support/Interfaces.sol";

/// @title Approvals that are not what they seem: a lender whom the route names is left nothing that it may take later
/// @dev The puppet is the lender. See also HostileTokens.t.sol.
contract ApprovalsTest is World {
    Erc404 internal nfts;
    OddToken internal odd;
    Puppet internal puppet;

    function setUp() public {
        deployTokens();
        deployBalancer();
        deployExecutor();
        nfts = new Erc404(1);
        odd = new OddToken(1e30);
        puppet = new Puppet();
        nfts.transfer(address(executor), 3e18);
        odd.transfer(address(executor), 100 ether);
    }

    function loan(address token, uint256 repay) internal view returns (bytes memory) {
        return bytes.concat(head(0, list(token), list(address(puppet))), RouteLib.erc3156Loan(0, 1, 0, repay));
    }

    function approveFailed(address token) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IFlashExecutor.ApproveFailed.selector, token);
    }

    /// @dev What the lender can take once the operator's key is known to have leaked: nothing.
    function assertNoneCanBeTaken(Erc404 token, uint256 first) internal {
        vm.prank(owner);
        executor.setOperator(operator, false);
        for (uint256 id = first; id < first + 3; ++id) {
            assertEq(token.getApproved(id), address(0));
            vm.prank(address(puppet));
            vm.expectRevert("not approved");
            token.transferFrom(address(executor), stranger, id);
        }
        assertEq(token.allowance(address(executor), address(puppet)), 0);
        assertEq(token.balanceOf(address(executor)), 3e18);
    }

    function test_leaked_operator_key_approves_no_nfts() public {
        for (uint256 id = 1; id < 4; ++id) {
            assertEq(nfts.ownerOf(id), address(executor));
            fails(loan(address(nfts), id), approveFailed(address(nfts)));
        }
        run(loan(address(nfts), 4)); // no NFT has this number: an allowance, taken back
        assertNoneCanBeTaken(nfts, 1);
    }

    function test_nft_zero_is_not_approved() public {
        nfts = new Erc404(0);
        nfts.transfer(address(executor), 3e18);
        run(loan(address(nfts), 0));
        assertNoneCanBeTaken(nfts, 0);
    }

    function test_rest_of_an_outer_loans_allowance_does_not_hide_an_nfts_approval() public {
        // The lender takes all but 1 of its allowance and gives it back. Then NFT 1 is to be approved in the callback,
        // where the token says that 1 is allowed.
        bytes memory route = bytes.concat(loan(address(nfts), 0.5e18 + 1), RouteLib.erc3156Loan(0, 1, 0, 1));
        puppet.add(address(nfts), abi.encodeCall(IToken.transferFrom, (address(executor), address(puppet), 0.5e18)));
        puppet.add(address(nfts), abi.encodeCall(IToken.transfer, (address(executor), 0.5e18)));
        string memory callback = "onFlashLoan(address,address,uint256,uint256,bytes)";
        puppet.add(address(executor), abi.encodeWithSignature(callback, executor, nfts, 0, 0, carried(route)));
        run(route);
        assertTrue(puppet.succeeded(0));
        assertTrue(puppet.succeeded(1));
        assertFalse(puppet.succeeded(2));
        assertEq(puppet.answers(2), approveFailed(address(nfts)));
        assertNoneCanBeTaken(nfts, 1);
    }

    function test_allowance_that_cannot_be_taken_back_fails_the_route() public {
        run(loan(address(odd), 10 ether)); // one that can
        odd.set(OddToken.Mode.ADDING);
        fails(loan(address(odd), 10 ether), approveFailed(address(odd)));
        assertEq(odd.allowance(address(executor), address(puppet)), 0);
    }

    function test_lender_that_a_token_allows_everything_is_refused() public {
        odd.set(OddToken.Mode.ALLOWS_ALL);
        fails(loan(address(odd), 10 ether), approveFailed(address(odd)));
        fails(loan(address(odd), type(uint128).max), approveFailed(address(odd)));
        assertEq(odd.balanceOf(address(executor)), 100 ether);
    }

    function test_vault_that_a_token_allows_everything_is_sold_to() public {
        // So Balancer's own pool tokens do with the vault; it takes from its caller alone.
        bytes32 id = weightedPool(address(odd), address(weth), 1000 ether, 1000 ether, 0.5e18, 0.001e18);
        odd.transfer(address(puppet), 1 ether);
        puppet.add(address(odd), abi.encodeCall(IToken.transfer, (address(executor), 1 ether)));
        odd.set(OddToken.Mode.ALLOWS_ALL);
        run(
            bytes.concat(
                RouteLib.head(2, ANY_BLOCK, 0.9 ether, list(address(odd)), list(address(puppet))),
                RouteLib.balancer(id, 0, RouteLib.WETH, RouteLib.SELF, 1 ether),
                RouteLib.v2(1, 0xff, true, 1)
            )
        );
    }

    function test_aave_is_allowed_what_the_route_says_and_no_more() public {
        bytes memory arguments = abi.encode(owner, operator, address(0), address(0), address(puppet), address(weth));
        executor = IFlashExecutor(vm.deployCode("FlashExecutor.sol:FlashExecutor", arguments));
        weth.transfer(address(executor), 100 ether);
        puppet.add(address(weth), abi.encodeCall(IToken.transferFrom, (address(executor), stranger, 10 ether + 1)));
        run(bytes.concat(wethHead(0, none()), RouteLib.aaveLoan(RouteLib.WETH, 1, 10 ether)));
        assertFalse(puppet.succeeded(0));
        assertEq(weth.balanceOf(address(executor)), 100 ether);
        assertEq(weth.allowance(address(executor), address(puppet)), 0);
        puppet.add(address(weth), abi.encodeCall(IToken.transferFrom, (address(executor), stranger, 10 ether)));
        fails(
            bytes.concat(wethHead(0, none()), RouteLib.aaveLoan(RouteLib.WETH, 1, 10 ether)),
            tooLow(address(weth), 90 ether, 100 ether)
        );
    }
}
