"""System calls that a jailed process may not make, as a filter for the kernel, on x86_64 and arm64.

    >>> made(processes=False, landlock=True, pid=os.getpid()).install()

A refused call fails with EPERM; a call newer than this table with ENOSYS, which libraries know how to live with.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import struct

from . import libc

# name: number on x86_64, number on arm64 (None: the call doesn't exist there)
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "move_pages": (279, 239), "migrate_pages": (256, 238),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setattr": (314, 274), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122), "membarrier": (324, 283),
    "inotify_init": (253, None), "inotify_init1": (294, 26),
    # network; what is left is a connected pair of unix stream sockets
    "socket": (41, 198), "bind": (49, 200), "connect": (42, 203), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242),
    # mounts and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "mknod": (133, None), "mknodat": (259, 33), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # memory that no limit counts, and shared memory
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "shmdt": (67, 197), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191),
    "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "mq_timedsend": (242, 182), "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184), "mq_getsetattr": (245, 185), "mbind": (237, 235), "set_mempolicy": (238, 237),
    # large or rarely used parts of the kernel
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "personality": (135, 92),
    "modify_ldt": (154, None), "lookup_dcookie": (212, 18), "execveat": (322, 281), "uselib": (134, None),
    "ustat": (136, None), "sysfs": (139, None), "_sysctl": (156, None), "nfsservctl": (180, 42),
    # the machine itself
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170), "adjtimex": (159, 171),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "ioperm": (173, None), "iopl": (172, None),
    "vhangup": (153, 58),
}  # fmt: skip

# What Landlock leaves open: changing files outside by their names, and signals to other processes. Who can't leave its
# process group is ended with it.
_REFUSED_UNDER_LANDLOCK: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "lchown": (94, None), "fchown": (93, 55), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88), "truncate": (76, 45), "file_setattr": (469, 469),
    "fallocate": (285, 47), "setsid": (112, 157), "setpgid": (109, 154), "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    # a descriptor on its way through a socket is in no table
    "sendmsg": (46, 211), "sendmmsg": (307, 269),
}  # fmt: skip

# Locks on files that every program may read would let programs tell each other things: a program that has its files to
# itself gets every lock it asks for, and none is taken. Asking who holds one, leases and notices are refused.
_LOCKS: dict[str, tuple[int | None, int | None]] = {"flock": (73, 32)}
_F_SETLK, _F_SETLKW, _F_OFD_SETLK, _F_OFD_SETLKW = 6, 7, 37, 38
_F_GETLK, _F_OFD_GETLK, _F_SETLEASE, _F_NOTIFY = 5, 36, 1024, 1026

_FORK: dict[str, tuple[int | None, int | None]] = {"fork": (57, None), "vfork": (58, None)}
_SPECIAL = {
    "clone": (56, 220), "clone3": (435, 435), "socketpair": (53, 199), "prlimit64": (302, 261), "kill": (62, 129),
    "tgkill": (234, 131), "prctl": (157, 167), "fcntl": (72, 25), "ioctl": (16, 29),
}  # fmt: skip
_NEWEST = 469

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7), "arm64": (1, 0xC00000B7)}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _JUMP, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x05, 0x06
_ALLOW, _KILL, _EPERM, _ENOSYS, _DONE = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026, 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16

_CLONE_THREAD = 0x10000
_NAMESPACES = 0x7E020080
_F_SETOWN, _F_SETOWN_EX, _PR_SET_PDEATHSIG = 8, 15, 1
_FCNTLS = (_F_SETOWN, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY)
_ASKS_FOR_LOCKS, _TAKES_LOCKS = (_F_GETLK, _F_OFD_GETLK), (_F_SETLK, _F_SETLKW, _F_OFD_SETLK, _F_OFD_SETLKW)
_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902
_OF_FILES = (0x40086602, 0x40046602, 0x401C5820, 0x40087602, 0x40047602)
"""Requests of ioctl that change a file which is open to be read: its flags, its project, its generation."""
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPE_MASK = 1, 1, 0xF


Code = list[tuple[int, int, int, int]]
"""Instructions of classic BPF: operation, jump when true, jump when false, value."""


class Filter:
    """A program in memory, as the kernel takes it (struct sock_fprog)."""

    def __init__(self, program: bytes) -> None:
        self.memory = ctypes.create_string_buffer(program)
        self.header = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(self.memory))

    def install(self) -> None:
        """Binds this thread, and all it starts, to the filter for good. Needs no_new_privs."""
        libc.prctl(libc.PR_SET_SECCOMP, 2, self.header)


@functools.lru_cache(maxsize=8)
def made(*, processes: bool, landlock: bool, pid: int = 0) -> Filter:
    """The filter. processes: may fork. landlock: files and signals are open to it, so close them. pid: its own.

    Raises OSError on a machine whose call numbers aren't in the table.
    """
    machine = platform.machine()
    if machine not in _MACHINES:
        raise OSError(f"no table of system calls for {machine}")
    column, architecture = _MACHINES[machine]
    refused = _REFUSED | (_REFUSED_UNDER_LANDLOCK if landlock else {}) | ({} if processes else _FORK)
    answers: dict[int, Code] = {}
    for numbers in refused.values():
        number = numbers[column]
        if number is not None:
            answers[number] = _answer(_EPERM)
    if not processes:
        answers |= {number: _answer(_DONE) for pair in _LOCKS.values() if (number := pair[column]) is not None}
    for name, body in _special(processes, landlock, pid).items():
        answers[_SPECIAL[name][column]] = body
    code = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, architecture),
        *_answer(_KILL),
        (_LOAD, 0, 0, _NUMBER),
        *_tree(_segments(answers)),
    ]
    return Filter(b"".join(struct.pack("=HBBI", *instruction) for instruction in code))


def _special(processes: bool, landlock: bool, pid: int) -> dict[str, Code]:
    """Calls that are refused for some of their arguments."""
    clone = [(0, _ANY_BIT, _NAMESPACES, True)]
    rules = {
        "clone3": _answer(_ENOSYS),
        "clone": _rule(clone if processes else [*clone, (0, _ANY_BIT, _CLONE_THREAD, False)]),
        "socketpair": _rule([(0, _EQUAL, _AF_UNIX, False), (1, _AND, _SOCK_STREAM, False)]),
        "prlimit64": _rule([(0, _EQUAL, 0, False)]),
        "prctl": _rule([(0, _EQUAL, _PR_SET_PDEATHSIG, True)]),
        "fcntl": _rule(_equal(1, *_FCNTLS, *() if processes else _ASKS_FOR_LOCKS), () if processes else _TAKES_LOCKS),
        "ioctl": _rule(_equal(1, _TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP, *_OF_FILES)),
    }
    if landlock:
        rules["kill"] = rules["tgkill"] = _rule([(0, _EQUAL, pid, False)])
    return rules


def _answer(answer: int) -> Code:
    return [(_RETURN, 0, 0, answer)]


def _equal(argument: int, *values: int) -> list[tuple[int, int, int, bool]]:
    return [(argument, _EQUAL, value, True) for value in values]


def _rule(checks: list[tuple[int, int, int, bool]], done: tuple[int, ...] = ()) -> Code:
    """Each check is (argument, operation, value, whether the call is refused when it holds, or when it doesn't). done:
    values of argument 1 with which the call does nothing and succeeds."""
    code: Code = [(_LOAD, 0, 0, _ARGUMENTS + 8)] if done else []
    for value in done:
        code += [(_EQUAL, 0, 1, value), *_answer(_DONE)]
    for argument, operation, value, refused_when in checks:
        code.append((_LOAD, 0, 0, _ARGUMENTS + 8 * argument))
        if operation == _AND:
            code.append((_AND, 0, 0, _SOCK_TYPE_MASK))
            operation = _EQUAL
        code.append((operation, 0, 1, value) if refused_when else (operation, 1, 0, value))
        code += _answer(_EPERM)
    return code + _answer(_ALLOW)


def _segments(answers: dict[int, Code]) -> list[tuple[int, Code]]:
    """Answers for all numbers: each holds from its number up to the next."""
    segments: list[tuple[int, Code]] = []
    for number in range(_NEWEST + 2):
        answer = answers.get(number, _answer(_ALLOW if number <= _NEWEST else _ENOSYS))
        if not segments or segments[-1][1] != answer:
            segments.append((number, answer))
    return segments


def _tree(segments: list[tuple[int, Code]]) -> Code:
    """Binary search over the segments. The kernel runs a new filter once for every call there is, to learn which are
    always allowed: going through a list would cost each program a third of a millisecond."""
    if len(segments) == 1:
        return segments[0][1]
    half = len(segments) // 2
    below, above = _tree(segments[:half]), _tree(segments[half:])
    middle = segments[half][0]
    if len(below) < 256:
        return [(_AT_LEAST, len(below), 0, middle), *below, *above]
    return [(_AT_LEAST, 0, 1, middle), (_JUMP, 0, 0, len(below)), *below, *above]
