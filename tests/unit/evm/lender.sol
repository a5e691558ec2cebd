// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

interface IBorrower {
    function onFlashLoan(address initiator, address token, uint256 amount, uint256 fee, bytes calldata data)
        external
        returns (bytes32);
}

/// An ERC-3156 lender of what it holds, for 0.01 %.
contract FlashLender {
    function flashFee(address, uint256 amount) public pure returns (uint256) {
        return amount / 10_000;
    }

    function flashLoan(address receiver, address token, uint256 amount, bytes calldata data) external returns (bool) {
        uint256 fee = flashFee(token, amount);
        require(IToken(token).transfer(receiver, amount));
        bytes32 answer = IBorrower(receiver).onFlashLoan(msg.sender, token, amount, fee, data);
        require(answer == keccak256("ERC3156FlashBorrower.onFlashLoan"), "the borrower did not agree");
        require(IToken(token).transferFrom(receiver, address(this), amount + fee));
        return true;
    }
}
