// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "./Interfaces.sol";

interface IBorrower {
    function onFlashLoan(address, address, uint256, uint256, bytes calldata) external returns (bytes32);
}

/// @notice An ERC-3156 lender by the reference implementation of the standard, fee 0.01 %.
contract Lender {
    function flashFee(address, uint256 amount) public pure returns (uint256) {
        return amount / 10_000;
    }

    function flashLoan(address receiver, address token, uint256 amount, bytes calldata data)
        external
        virtual
        returns (bool)
    {
        uint256 fee = flashFee(token, amount);
        IToken(token).transfer(receiver, amount);
        bytes32 answer = IBorrower(receiver).onFlashLoan(msg.sender, token, amount, fee, data);
        require(answer == keccak256("ERC3156FlashBorrower.onFlashLoan"), "bad answer");
        IToken(token).transferFrom(receiver, address(this), amount + fee);
        return true;
    }
}
