"""seccomp: the system calls a candidate may make, by group, with the reason for each group.

Everything else answers EPERM, so that honest code gets an exception with a name; what no honest
program calls ends the process at once (SIGSYS, verdict `violation`).

The filter is a search tree over ranges of call numbers, with the checks of arguments in its leaves:
the kernel walks it for each number when it is installed, and a chain of comparisons, even of those
thirty numbers alone that are checked, made that walk the dearest layer.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping
from types import MappingProxyType

from sandbox.inside.kernel import Calls, syscall
from sandbox.inside.wire import LENDING

_ALLOWED = {
    # Landlock does not judge chmod, utime, xattr and, when old, truncate: they are left out
    "files: reading and writing what Landlock and the mounts leave": (
        "read:0 write:1 open:2 close:3 stat:4 fstat:5 lstat:6 lseek:8 pread64:17 pwrite64:18 "
        "readv:19 writev:20 access:21 sendfile:40 "
        "ftruncate:77 getdents:78 getcwd:79 chdir:80 fchdir:81 rename:82 mkdir:83 rmdir:84 "
        "creat:85 link:86 unlink:87 symlink:88 readlink:89 umask:95 statfs:137 "
        "fstatfs:138 getdents64:217 openat:257 mkdirat:258 newfstatat:262 "
        "unlinkat:263 renameat:264 linkat:265 symlinkat:266 readlinkat:267 "
        "faccessat:269 fallocate:285 preadv:295 pwritev:296 renameat2:316 "
        "copy_file_range:326 statx:332 faccessat2:439"
    ),
    "descriptors: duplicates, pipes to itself, waiting for them": (
        "poll:7 pipe:22 select:23 dup:32 dup2:33 epoll_create:213 epoll_wait:232 epoll_ctl:233 "
        "pselect6:270 ppoll:271 epoll_pwait:281 eventfd2:290 epoll_create1:291 dup3:292 pipe2:293 "
        "close_range:436 epoll_pwait2:441"
    ),
    "memory: its own, bounded by RLIMIT_AS; executable pages are what a JIT compiler makes": (
        "mprotect:10 munmap:11 brk:12 mremap:25"
    ),
    "threads: bookkeeping; clone itself is checked for CLONE_THREAD": (
        "sched_yield:24 gettid:186 set_tid_address:218 set_robust_list:273 "
        "getcpu:309 rseq:334 arch_prctl:158"
    ),
    "signals: its own handlers; sending is checked to stay inside": (
        "rt_sigaction:13 rt_sigprocmask:14 rt_sigreturn:15 pause:34 getitimer:36 alarm:37 "
        "setitimer:38 rt_sigpending:127 rt_sigtimedwait:128 rt_sigsuspend:130 sigaltstack:131 "
        "restart_syscall:219"
    ),
    "time": ("nanosleep:35 gettimeofday:96 times:100 time:201"),
    "questions about itself and the machine": (
        "getpid:39 uname:63 getrlimit:97 getrusage:98 sysinfo:99 getuid:102 getgid:104 geteuid:107 "
        "getegid:108 getppid:110 getpgrp:111 getgroups:115 getresuid:118 getresgid:120 "
        "sched_get_priority_max:146 sched_get_priority_min:147 get_mempolicy:239 getrandom:318"
    ),
    "the end": "exit:60 wait4:61 exit_group:231",
}

COMPILER = {
    "processes: a driver starts its parts and waits for them": (
        "clone:56 fork:57 vfork:58 execve:59 waitid:247"
    ),
    "signals: in its own pid namespace there is nobody else": "kill:62 tgkill:234",
    "a linker marks what it made as executable": "chmod:90 fchmod:91 fchmodat:268",
    "more stack for a parser": "setrlimit:160 prlimit64:302",
}
"""What the toolchain profile adds; programs to execute are left to Landlock and the mounts."""

_FATAL = (
    "ptrace:101 syslog:103 personality:135 pivot_root:155 mount:165 umount2:166 swapon:167 "
    "reboot:169 init_module:175 delete_module:176 add_key:248 request_key:249 keyctl:250 "
    "unshare:272 perf_event_open:298 open_by_handle_at:304 setns:308 process_vm_readv:310 "
    "process_vm_writev:311 kcmp:312 finit_module:313 kexec_load:246 kexec_file_load:320 bpf:321 "
    "userfaultfd:323 io_uring_setup:425 io_uring_enter:426 io_uring_register:427 open_tree:428 "
    "move_mount:429 fsopen:430 fsconfig:431 fsmount:432 pidfd_getfd:438 mount_setattr:442"
)

_IOCTL, _RECVMSG, _CLONE, _FCNTL, _PRCTL, _TGKILL, _PRLIMIT = 16, 47, 56, 72, 157, 234, 302
_CLONE3, _SCHED_GETAFFINITY = 435, 204
_FUTEX, _PREADV2, _PWRITEV2 = 202, 327, 328
# wait, wake, requeue, with and without bits; not those that lend a priority, whose owner is looked
# up by number among all threads that can be seen and may be another process's
_FUTEX_OPERATIONS = (0, 1, 3, 4, 5, 9, 10)
_FUTEX_FLAGS = 0x180  # private; by the clock of the wall
_MMAP, _MADVISE = 9, 28
# those pages are the whole machine's, and no limit counts them
_MAP_HUGETLB = 0x40000
# usual, needed or not, free, fork, huge or not, dump, populate, guard; not what reaches others:
# merging pages with theirs (which shows what they hold), paging out, memory taken offline
_ADVICE = (0, 1, 2, 3, 4, 8, 10, 11, 14, 15, 16, 17, 18, 19, 22, 23, 102, 103)
# fsync, fdatasync, msync: done, as scratch files are in memory; on a bound file it would be the
# host's disk that is flushed
_FLUSHES = (74, 75, 26)
_CLOCKS = (228, 229, 230)  # gettime, getres, nanosleep
_DYNAMIC_CLOCKS = 16  # from here on they are other processes' and devices'
_SIGKILL = 9
# terminal questions (isatty), close-on-exec, bytes waiting, non-blocking
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# duplicate, flags, pipe size, seals; not F_SETOWN or F_NOTIFY, which send signals, and no locks:
# nothing bounds their number, and one on a bound file would reach the host's own programs
_FCNTLS = (0, 1, 2, 3, 4, 1030, 1032, 1034)
# thread names, dumpable?, names of anonymous memory (glibc)
_PRCTLS = (15, 16, 3, 0x53564D41)
_CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_AND = 0x54
_FARTHEST = 255  # of a jump with a condition
_OWN_ID = 0x7FFFFFFF  # stands for the process id until that is known; no id is as large
_ARCHITECTURE_X86_64 = 0xC000003E
_X32_BIT = 0x40000000
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_SECCOMP, _SET_MODE_FILTER = 317, 1

_Instruction = tuple[int, int, int, int]
_Leaf = tuple[_Instruction, ...]
"""What decides about a call by its arguments, or without."""


def _numbers(text: str) -> list[int]:
    return [int(item.partition(":")[2]) for item in text.split()]


def _argument_at(index: int) -> int:
    return 16 + 8 * index  # the low half


def _returning(action: int) -> _Leaf:
    return ((_RETURN, 0, 0, action),)


_REFUSE = _ERRNO | errno.EPERM
_REFUSED_OR_ALLOWED: _Leaf = (*_returning(_REFUSE), *_returning(_ALLOW))
"""A jump over the first of them allows."""


def _one_of(values: tuple[int, ...], argument: int, *, but: int = 0) -> _Leaf:
    """Allows these values of an argument, whatever those bits of it are."""
    found = [
        (_JUMP_EQUAL, len(values) - position, 0, value) for position, value in enumerate(values)
    ]
    masked = [(_AND, 0, 0, 0xFFFFFFFF ^ but)] if but else []
    return ((_LOAD, 0, 0, _argument_at(argument)), *masked, *found, *_REFUSED_OR_ALLOWED)


_CLOCK_CHECK: _Leaf = (
    (_LOAD, 0, 0, _argument_at(0)),
    (_JUMP_AT_LEAST, 0, 1, _DYNAMIC_CLOCKS),
    *_REFUSED_OR_ALLOWED,
)


_CHECKED: dict[int, _Leaf] = {
    _IOCTL: _one_of(_IOCTLS, 1),
    # the one socket there is, over which the worker lends memory
    _RECVMSG: _one_of((LENDING,), 0),
    _FCNTL: _one_of(_FCNTLS, 1),
    _PRCTL: _one_of(_PRCTLS, 0),
    _PRLIMIT: _one_of((0, _OWN_ID), 0),
    # its own end by SIGKILL would look like the kernel's for want of memory
    _TGKILL: (
        (_LOAD, 0, 0, _argument_at(2)),
        (_JUMP_EQUAL, 2, 0, _SIGKILL),
        (_LOAD, 0, 0, _argument_at(0)),
        (_JUMP_EQUAL, 1, 0, _OWN_ID),
        *_REFUSED_OR_ALLOWED,
    ),
    _SCHED_GETAFFINITY: _one_of((0, _OWN_ID), 0),
    _MADVISE: _one_of(_ADVICE, 2),
    _FUTEX: _one_of(_FUTEX_OPERATIONS, 1, but=_FUTEX_FLAGS),
    # flags would ask what of a library others have in memory, and have it written or dropped
    **dict.fromkeys((_PREADV2, _PWRITEV2), _one_of((0,), 5)),
    _MMAP: (
        (_LOAD, 0, 0, _argument_at(3)),
        (_JUMP_ANY, 0, 1, _MAP_HUGETLB),
        *_REFUSED_OR_ALLOWED,
    ),
    **dict.fromkeys(_FLUSHES, _returning(_ERRNO)),
    **dict.fromkeys(_CLOCKS, _CLOCK_CHECK),
    # glibc falls back to clone, whose flags a filter can see
    _CLONE3: _returning(_ERRNO | errno.ENOSYS),
    _CLONE: (
        (_LOAD, 0, 0, _argument_at(0)),
        (_JUMP_ANY, 1, 0, _CLONE_NEW),
        (_JUMP_ANY, 1, 0, _CLONE_THREAD),
        *_REFUSED_OR_ALLOWED,
    ),
}
_CLONE_ALSO_PROCESSES: _Leaf = (
    (_LOAD, 0, 0, _argument_at(0)),
    (_JUMP_ANY, 0, 1, _CLONE_NEW),
    *_REFUSED_OR_ALLOWED,
)


def _leaves(more: frozenset[int]) -> dict[int, _Leaf]:
    """By number of the call; all others are refused."""
    found = dict.fromkeys(_numbers(_FATAL), _returning(_KILL))
    for text in _ALLOWED.values():
        found.update(dict.fromkeys(_numbers(text), _returning(_ALLOW)))
    found.update(_CHECKED)
    found.update(dict.fromkeys(more, _returning(_ALLOW)))
    if _CLONE in more:
        found[_CLONE] = _CLONE_ALSO_PROCESSES
    return found


def _tree(ranges: list[tuple[int, _Leaf]]) -> list[_Instruction]:
    """A binary search: `ranges` are (first number, leaf), each up to the next one's first."""
    if len(ranges) == 1:
        return list(ranges[0][1])
    middle = len(ranges) // 2
    below, above = _tree(ranges[:middle]), _tree(ranges[middle:])
    first = ranges[middle][0]
    if len(below) <= _FARTHEST:
        return [(_JUMP_AT_LEAST, len(below), 0, first), *below, *above]
    return [(_JUMP_AT_LEAST, 0, 1, first), (_JUMP, 0, 0, len(below)), *below, *above]


class Filter:
    """The program for a candidate whose process id is known beforehand, or put in when it is.

    Args:
        process: The id, where it is the same for every candidate (1 in a pid namespace of its own).
        more: Groups of calls that are allowed too, without the checks candidates have on them.
    """

    def __init__(self, process: int | None, more: Mapping[str, str] = MappingProxyType({})) -> None:
        leaves = _leaves(frozenset(n for text in more.values() for n in _numbers(text)))
        ranges: list[tuple[int, _Leaf]] = []
        for number in range(max(leaves) + 2):
            leaf = leaves.get(number, _returning(_REFUSE))
            if not ranges or ranges[-1][1] != leaf:
                ranges.append((number, leaf))
        self._tree = _tree(ranges)
        # assembled once: doing it in each candidate cost more than the kernel's part
        self._ready = _assemble(self._tree, process) if process is not None else None

    def install(self) -> None:
        """Filters the calling process for good; needs no-new-privileges."""
        header, _code = self._ready or _assemble(self._tree, os.getpid())
        syscall(_SECCOMP, _SET_MODE_FILTER, 0, ctypes.addressof(header), what="seccomp")

    def add_to(self, calls: Calls) -> None:
        """Adds the call that filters a child to those of the child; its process id is known."""
        assert self._ready is not None
        calls.add("seccomp", _SECCOMP, _SET_MODE_FILTER, 0, ctypes.addressof(self._ready[0]))


_Buffer = ctypes.Array[ctypes.c_char]


def _assemble(tree: list[_Instruction], process: int) -> tuple[_Buffer, _Buffer]:
    """The header the kernel wants and the code it points to."""
    program: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURE_X86_64),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
        *tree,
    ]
    raw = b"".join(
        struct.pack("HBBI", *jumps, process if value == _OWN_ID else value)
        for *jumps, value in program
    )
    code = ctypes.create_string_buffer(raw, len(raw))
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(raw) // 8, ctypes.addressof(code)), 16
    )
    return header, code
