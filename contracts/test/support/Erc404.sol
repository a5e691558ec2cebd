// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A token and an NFT in one, as ERC-404 was first published: where a number is an NFT's, `approve` and
/// `transferFrom` mean that NFT, which is worth 1e18 of the token, and the allowance stays as it is.
contract Erc404 {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(uint256 => address) public ownerOf;
    mapping(uint256 => address) public getApproved;
    uint256 public minted;
    uint256 internal immutable first;

    /// @param first_ the first NFT's number
    constructor(uint256 first_) {
        first = first_;
        balanceOf[msg.sender] = 10_000e18;
    }

    function isNft(uint256 number) internal view returns (bool) {
        return number >= first && number < first + minted;
    }

    function approve(address spender, uint256 number) external returns (bool) {
        if (isNft(number)) {
            require(msg.sender == ownerOf[number], "not the owner");
            getApproved[number] = spender;
        } else {
            allowance[msg.sender][spender] = number;
        }
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 number) external returns (bool) {
        if (isNft(number)) {
            require(from == ownerOf[number] && msg.sender == getApproved[number], "not approved");
            balanceOf[from] -= 1e18;
            balanceOf[to] += 1e18;
            ownerOf[number] = to;
            delete getApproved[number];
        } else {
            allowance[from][msg.sender] -= number;
            move(from, to, number);
        }
        return true;
    }

    /// @dev Who comes to another whole token gets another NFT.
    function move(address from, address to, uint256 amount) internal {
        uint256 before = balanceOf[to] / 1e18;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        for (uint256 i = before; i < balanceOf[to] / 1e18; ++i) {
            ownerOf[first + minted++] = to;
        }
    }
}
