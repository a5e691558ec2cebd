// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

// What the local chain needs beside the protocols' own bytecode: tokens of any decimals, and for PancakeSwap V3 the pool
// deployer and a router, whose bytecode no npm package carries. Compiled when a chain is built.

/// Balances and allowances of an ERC-20 that its owner mints; an allowance of the greatest amount is never used up.
abstract contract Ledger {
    string public name;
    string public symbol;
    uint8 public immutable decimals;
    address public immutable owner;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Approval(address indexed owner, address indexed spender, uint256 amount);

    constructor(string memory name_, string memory symbol_, uint8 decimals_) {
        name = name_;
        symbol = symbol_;
        decimals = decimals_;
        owner = msg.sender;
    }

    function mint(address to, uint256 amount) external {
        require(msg.sender == owner, "not the owner");
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function move(address from, address to, uint256 amount) internal {
        if (from != msg.sender && allowance[from][msg.sender] != type(uint256).max) {
            allowance[from][msg.sender] -= amount;
        }
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }

    function allow(address spender, uint256 amount) internal {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
    }
}

contract Token is Ledger {
    constructor(string memory n, string memory s, uint8 d) Ledger(n, s, d) {}

    function transfer(address to, uint256 amount) external returns (bool) {
        move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        move(from, to, amount);
        return true;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allow(spender, amount);
        return true;
    }
}

/// Returns nothing, as USDT does.
contract SilentToken is Ledger {
    constructor(string memory n, string memory s, uint8 d) Ledger(n, s, d) {}

    function transfer(address to, uint256 amount) external {
        move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        move(from, to, amount);
    }

    function approve(address spender, uint256 amount) external {
        allow(spender, amount);
    }
}

/// PancakeV3PoolDeployer: creates pools for the factory, with the salt and the parameters of the deployed one. The pool's
/// creation code does not fit into this contract and lies in `code` (as that account's code, after a STOP).
contract PancakePoolDeployer {
    struct Parameters {
        address factory;
        address token0;
        address token1;
        uint24 fee;
        int24 tickSpacing;
    }

    Parameters public parameters;
    address public factoryAddress;
    address public immutable code;

    constructor(address code_) {
        code = code_;
    }

    function setFactoryAddress(address factory) external {
        require(factoryAddress == address(0), "already initialized");
        factoryAddress = factory;
    }

    function deploy(address factory, address token0, address token1, uint24 fee, int24 tickSpacing)
        external
        returns (address pool)
    {
        require(msg.sender == factoryAddress, "only factory can call deploy");
        parameters = Parameters(factory, token0, token1, fee, tickSpacing);
        bytes32 salt = keccak256(abi.encode(token0, token1, fee));
        bytes memory creation = new bytes(code.code.length - 1);
        address from = code;
        assembly {
            extcodecopy(from, add(creation, 32), 1, mload(creation))
            pool := create2(0, add(creation, 32), mload(creation), salt)
        }
        require(pool != address(0), "no pool");
        delete parameters;
    }
}

interface IPancakeFactory {
    function getPool(address token0, address token1, uint24 fee) external view returns (address);
}

interface IPancakePool {
    function mint(address recipient, int24 lower, int24 upper, uint128 liquidity, bytes calldata data)
        external
        returns (uint256 amount0, uint256 amount1);
    function swap(address recipient, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data)
        external
        returns (int256 amount0, int256 amount1);
}

/// A router for PancakeSwap V3 pools: liquidity and swaps of one hop. It pays what a pool of the factory asks for, from
/// who called it, and from nobody else.
contract PancakeRouter {
    IPancakeFactory public immutable factory;

    struct Payment {
        address token0;
        address token1;
        uint24 fee;
        address payer;
    }

    constructor(IPancakeFactory factory_) {
        factory = factory_;
    }

    function mint(address token0, address token1, uint24 fee, int24 lower, int24 upper, uint128 liquidity) external {
        IPancakePool pool = IPancakePool(factory.getPool(token0, token1, fee));
        pool.mint(msg.sender, lower, upper, liquidity, abi.encode(Payment(token0, token1, fee, msg.sender)));
    }

    function exactInputSingle(address tokenIn, address tokenOut, uint24 fee, uint256 amountIn, uint256 amountOutMinimum)
        external
        returns (uint256 amountOut)
    {
        bool zeroForOne = tokenIn < tokenOut;
        Payment memory payment = zeroForOne
            ? Payment(tokenIn, tokenOut, fee, msg.sender)
            : Payment(tokenOut, tokenIn, fee, msg.sender);
        amountOut = swap(payment, zeroForOne, int256(amountIn));
        require(amountOut >= amountOutMinimum, "too little received");
    }

    function swap(Payment memory payment, bool zeroForOne, int256 amountIn) private returns (uint256) {
        (int256 amount0, int256 amount1) = IPancakePool(
            factory.getPool(payment.token0, payment.token1, payment.fee)
        ).swap(
            payment.payer,
            zeroForOne,
            amountIn,
            zeroForOne ? 4295128740 : 1461446703485210103287273052203988822378723970341, // no limit
            abi.encode(payment)
        );
        return uint256(-(zeroForOne ? amount1 : amount0));
    }

    function pancakeV3MintCallback(uint256 amount0, uint256 amount1, bytes calldata data) external {
        settle(int256(amount0), int256(amount1), data);
    }

    function pancakeV3SwapCallback(int256 amount0, int256 amount1, bytes calldata data) external {
        settle(amount0, amount1, data);
    }

    function settle(int256 amount0, int256 amount1, bytes calldata data) private {
        Payment memory payment = abi.decode(data, (Payment));
        require(msg.sender == factory.getPool(payment.token0, payment.token1, payment.fee), "not a pool");
        if (amount0 > 0) pull(payment.token0, payment.payer, uint256(amount0));
        if (amount1 > 0) pull(payment.token1, payment.payer, uint256(amount1));
    }

    function pull(address token, address payer, uint256 amount) private {
        (bool done, bytes memory answer) =
            token.call(abi.encodeWithSignature("transferFrom(address,address,uint256)", payer, msg.sender, amount));
        require(done && (answer.length == 0 || abi.decode(answer, (bool))), "no payment");
    }
}
