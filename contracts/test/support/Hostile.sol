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

/// @notice A token of many tempers.
contract OddToken {
    enum Mode {
        NORMAL,
        NO_RETURN,
        RETURN_FALSE,
        RETURN_TWO,
        RETURN_SHORT,
        FEE,
        PAUSED,
        SALMONELLA,
        REENTER,
        STICKY_ALLOWANCE,
        NO_BALANCE,
        NO_ALLOWANCE,
        ADDING,
        ALLOWS_ALL,
        REVERT_ONE
    }

    mapping(address => uint256) internal balances;
    mapping(address => mapping(address => uint256)) internal allowances;
    address internal immutable maker = msg.sender;
    Mode public mode;
    address internal target;
    bytes internal call;
    bool public reentered;
    bytes public answer;

    event Transfer(address indexed from, address indexed to, uint256 amount);

    constructor(uint256 supply) {
        balances[msg.sender] = supply;
    }

    function set(Mode mode_) external {
        mode = mode_;
    }

    function setCall(address target_, bytes calldata call_) external {
        (target, call, mode) = (target_, call_, Mode.REENTER);
    }

    function decimals() external pure returns (uint8) {
        return 18;
    }

    function totalSupply() external pure returns (uint256) {
        return type(uint112).max;
    }

    function balanceOf(address who) external view returns (uint256) {
        if (mode == Mode.NO_BALANCE) done();
        return balances[who];
    }

    function allowance(address who, address spender) external view returns (uint256) {
        if (mode == Mode.NO_ALLOWANCE) done();
        if (mode == Mode.ALLOWS_ALL) return type(uint256).max;
        return allowances[who][spender];
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        if (mode == Mode.RETURN_FALSE) return false;
        if (mode == Mode.ADDING) amount += allowances[msg.sender][spender];
        allowances[msg.sender][spender] = amount;
        return finish();
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        if (mode == Mode.RETURN_FALSE) return false;
        move(msg.sender, to, amount);
        return finish();
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        if (mode == Mode.RETURN_FALSE) return false;
        if (mode != Mode.STICKY_ALLOWANCE) allowances[from][msg.sender] -= amount;
        move(from, to, amount);
        return finish();
    }

    function move(address from, address to, uint256 amount) internal {
        require(mode != Mode.PAUSED, "paused");
        balances[from] -= amount;
        uint256 paid = amount;
        if (mode == Mode.FEE) paid = amount * 99 / 100;
        if (mode == Mode.SALMONELLA && from != maker) paid = amount / 10;
        balances[to] += paid;
        emit Transfer(from, to, amount);
        if (mode == Mode.REENTER && !reentered) {
            reentered = true;
            (, answer) = target.call(call);
        }
    }

    function finish() internal view returns (bool) {
        if (mode == Mode.NO_RETURN) done();
        if (mode == Mode.REVERT_ONE) {
            assembly {
                mstore(0, 1)
                revert(0, 32)
            }
        }
        if (mode == Mode.RETURN_TWO) {
            assembly {
                mstore(0, 2)
                return(0, 32)
            }
        }
        if (mode == Mode.RETURN_SHORT) {
            assembly {
                mstore(0, not(0))
                return(0, 1)
            }
        }
        return true;
    }

    function done() internal pure {
        assembly {
            return(0, 0)
        }
    }
}

/// @notice A pool, lender and builder that does what it is told when it is called, and answers as it is told.
contract Puppet {
    struct Step {
        address target;
        bytes call;
        uint256 value;
    }

    Step[] internal steps;
    bytes[] public answers;
    bool[] public succeeded;
    bytes internal reply;
    bool internal running;

    function add(address target, bytes calldata call) external {
        steps.push(Step(target, call, 0));
    }

    function setReply(bytes calldata reply_) external {
        reply = reply_;
    }

    function act() public {
        for (uint256 i = 0; i < steps.length; ++i) {
            (bool ok, bytes memory answer) = steps[i].target.call(steps[i].call);
            succeeded.push(ok);
            answers.push(answer);
        }
    }

    function play() internal {
        if (running) return;
        running = true;
        act();
        running = false;
    }

    receive() external payable {
        play();
    }

    fallback() external payable {
        play();
        bytes memory out = reply;
        assembly {
            return(add(out, 32), mload(out))
        }
    }
}

/// @notice A token that counts as it likes.
contract Liar {
    function balanceOf(address) external pure returns (uint256) {
        return 1 << 255;
    }

    function transfer(address, uint256) external pure returns (bool) {
        return true;
    }
}

/// @notice A token of which `to` holds so many that a sum with them may wrap.
contract Hoard {
    mapping(address => uint256) public balanceOf;

    constructor(address to, uint256 amount) {
        balanceOf[to] = amount;
        unchecked {
            balanceOf[msg.sender] = type(uint256).max - amount;
        }
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        unchecked {
            balanceOf[to] += amount;
        }
        return true;
    }
}

/// @notice A pool that keeps still, and a builder that calls the executor back once it is paid.
contract Waker {
    address internal immutable executor;
    bytes internal call;
    bool public paid;
    bool public succeeded;

    constructor(address executor_, bytes memory call_) {
        (executor, call) = (executor_, call_);
    }

    function set(bytes calldata call_) external {
        call = call_;
    }

    fallback() external payable {}

    receive() external payable {
        paid = true;
        (succeeded,) = executor.call(call);
    }
}
