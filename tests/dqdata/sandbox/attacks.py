"""Programs that try to get out of the sandbox, or to harm what is around it.

Each prints ESCAPED, with its loot, where it succeeds. `{...}` are the fields of `Bait`. `harmless` ones are run without
isolation too, where they must succeed: so each of those is known to be an attack. `only` names the isolation that
promises to hold it, where not all do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Attack:
    name: str
    program: str
    harmless: bool = False
    only: str = ""
    limits: dict[str, Any] = field(default_factory=dict)


def files() -> list[Attack]:
    return [
        Attack("read_open", "print('ESCAPED', open({canary!r}).read())", True),
        Attack("read_os_open", "import os\nprint('ESCAPED', os.read(os.open({canary!r}, 0), 99))", True),
        Attack(
            "read_libc",
            "import ctypes\nlibc = ctypes.CDLL(None)\nfd = libc.open({canary!r}.encode(), 0)\n"
            "buffer = ctypes.create_string_buffer(99)\n"
            "if fd >= 0 and libc.read(fd, buffer, 99) > 0: print('ESCAPED', buffer.value)",
            True,
        ),
        Attack("read_symlink", "import os\nos.symlink({canary!r}, 'x')\nprint('ESCAPED', open('x').read())", True),
        Attack("read_hard_link", "import os\nos.link({canary!r}, 'x')\nprint('ESCAPED', open('x').read())"),
        Attack("read_dot_dot", "print('ESCAPED', open('../' * 30 + {canary!r}[1:]).read())", True),
        Attack("read_proc_root", "print('ESCAPED', open('/proc/self/root' + {canary!r}).read())", True),
        Attack("read_parent_root", "print('ESCAPED', open('/proc/{parent}/root' + {canary!r}).read())", True),
        Attack("read_parent_cwd", "import os\nprint('ESCAPED', os.listdir('/proc/{parent}/cwd'))", True),
        Attack("read_shadow", "print('ESCAPED', open('/etc/shadow').read())"),
        Attack("read_passwd", "print('ESCAPED', open('/etc/passwd').read())", True),
        Attack("read_machine_id", "print('ESCAPED', open('/etc/hostname').read())"),
        Attack("list_home", "import os\nnames = os.listdir({home!r})\nif len(names) > 1: print('ESCAPED', names)", True),
        Attack("read_repository", "print('ESCAPED', open({repository!r} + '/pyproject.toml').read()[:99])", True),
        Attack("find_canary", "import os\nos.stat({canary!r})\nprint('ESCAPED')", True, only="bwrap"),
        Attack("list_canary_folder", "import os\nprint('ESCAPED', os.listdir({folder!r}))", True),
        Attack("write_canary", "open({canary!r}, 'w').write('gone')\nprint('ESCAPED')"),
        Attack("append_canary", "open({canary!r}, 'a').write('more')\nprint('ESCAPED')"),
        Attack("truncate_canary", "import os\nos.truncate({canary!r}, 0)\nprint('ESCAPED')"),
        Attack("delete_canary", "import os\nos.unlink({canary!r})\nprint('ESCAPED')"),
        Attack("rename_canary", "import os\nos.rename({canary!r}, {canary!r} + '.x')\nprint('ESCAPED')"),
        Attack("move_out", "import os\nopen('x', 'w').write('x')\nos.rename('x', {folder!r} + '/x')\nprint('ESCAPED')"),
        Attack("create_outside", "open({folder!r} + '/made', 'w').write('x')\nprint('ESCAPED')"),
        Attack("mkdir_outside", "import os\nos.mkdir({folder!r} + '/made')\nprint('ESCAPED')"),
        Attack("symlink_outside", "import os\nos.symlink('/etc', {folder!r} + '/made')\nprint('ESCAPED')"),
        Attack(
            "write_through_symlink",
            "import os\nos.symlink({canary!r}, 'x')\nopen('x', 'w').write('gone')\nprint('ESCAPED')",
        ),
        Attack("chmod_canary", "import os\nos.chmod({canary!r}, 0o777)\nprint('ESCAPED')"),
        Attack("touch_canary", "import os\nos.utime({canary!r}, (1, 1))\nprint('ESCAPED')"),
        Attack("xattr_canary", "import os\nos.setxattr({canary!r}, 'user.x', b'x')\nprint('ESCAPED')"),
        Attack("write_library", "import os\nopen(os.__file__, 'a').write('#')\nprint('ESCAPED')"),
        Attack("write_tmp", "open('/var/tmp/dqdata-attack', 'w').write('x')\nprint('ESCAPED')"),
        Attack(
            "open_by_handle",
            "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "handle = ctypes.create_string_buffer((8).to_bytes(4, 'little') + (1).to_bytes(4, 'little') + bytes(120))\n"
            "if libc.syscall(304, -100, handle, 0) >= 0 or ctypes.get_errno() != 1: print('ESCAPED')",
        ),
        Attack(
            "inherited_descriptors",
            "import os\nfor fd in range(4, 1024):\n"
            "    try: os.fstat(fd)\n    except OSError: continue\n"
            "    if fd != 4: print('ESCAPED', fd, os.readlink(f'/proc/self/fd/{{fd}}'))",
        ),
        Attack("kernel_memory", "for d in ('mem', 'kmem', 'kmsg', 'sda', 'vda'):\n"
               "    try: open('/dev/' + d, 'rb').read(1)\n    except OSError: continue\n    print('ESCAPED', d)"),
        Attack("mknod", "import os\nos.mknod('disk', 0o60666, os.makedev(8, 0))\nprint('ESCAPED')"),
        Attack("terminal", "open('/dev/tty').read(1)\nprint('ESCAPED')"),
    ]  # fmt: skip


_SYSCALL = (
    "import ctypes, os, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    "x86 = platform.machine() == 'x86_64'\n"
    "def call(on_x86, on_arm, *given):\n"
    "    result = libc.syscall(on_x86 if x86 else on_arm, *given)\n"
    "    return result if result >= 0 else -ctypes.get_errno()\n"
)
_REFUSED = "\nif result not in (-1, -38): print('ESCAPED', result)\n"


def kernel() -> list[Attack]:
    """Calls that must come back with EPERM or ENOSYS, whatever their arguments would lead to."""
    calls = {
        "bind_mount": "call(165, 40, b'/usr', b'/usr', None, 4096, None)",
        "remount_writable": "call(165, 40, None, b'/', None, 32 | 4096, None)",
        "umount": "call(166, 39, b'/proc', 2)",
        "pivot_root": "call(155, 41, b'.', b'.')",
        "chroot": "call(161, 51, b'.')",
        "new_user_namespace": "call(272, 97, 0x10000000)",
        "new_namespace_by_clone": "call(56, 220, 0x10000000 | 17, 0, 0, 0, 0)",
        "join_namespace": "call(308, 268, os.open('/dev/null', 0), 0)",
        "new_mount_api": "call(430, 430, b'tmpfs', 0)",
        "bpf": "call(321, 280, 0, None, 0)",
        "perf_events": "call(298, 241, None, 0, -1, -1, 0)",
        "keyring": "call(250, 219, 0, -3, 1)",
        "page_faults": "call(323, 282, 1)",
        "io_uring": "call(425, 425, 8, None)",
        "shared_memory": "call(29, 194, 77, 4096, 0o1777)",
        "message_queue": "call(68, 186, 77, 0o1777)",
        "anonymous_file": "call(319, 279, b'x', 0)",
        "kernel_module": "call(175, 105, None, 0, b'')",
        "reboot": "call(169, 142, 0xfee1dead, 672274793, 0)",
        "set_clock": "call(227, 112, 0, None)",
        "set_host_name": "call(170, 161, b'owned', 5)",
        "personality": "call(135, 92, 0x0040000)",
        "ptrace": "call(101, 117, 16, {victim}, 0, 0)",
        "read_memory_of_other": "call(310, 270, {victim}, None, 0, None, 0, 0)",
        "pidfd": "call(434, 434, {victim}, 0)",
        "limits_of_other": "call(302, 261, {victim}, 7, None, None)",
        "priority_of_other": "call(141, 140, 0, {victim}, 19)",
        "clone3": "call(435, 435, ctypes.create_string_buffer(88), 88)",
        "outlive_parent": "call(157, 167, 1, 0, 0, 0, 0)",
        "x32_call": "call(0x40000000 + 41, -1, 2, 1, 0)",
    }
    return [Attack(f"kernel_{name}", f"{_SYSCALL}result = {call}{_REFUSED}") for name, call in calls.items()]


def network() -> list[Attack]:
    connect = "import socket\ns = socket.socket({family}, {kind})\ns.settimeout(2)\n{act}\nprint('ESCAPED')"
    tcp, udp = "socket.SOCK_STREAM", "socket.SOCK_DGRAM"

    def attempt(name: str, family: str, kind: str, act: str, harmless: bool = True) -> Attack:
        program = connect.replace("{family}", f"socket.{family}").replace("{kind}", kind).replace("{act}", act)
        return Attack(name, program, harmless)

    return [
        attempt("tcp_loopback", "AF_INET", tcp, "s.connect(('127.0.0.1', {port}))"),
        attempt("tcp_ipv6", "AF_INET6", tcp, "s.connect(('::1', {port}))", harmless=False),
        attempt("tcp_out", "AF_INET", tcp, "s.connect(('1.1.1.1', 53))", harmless=False),
        attempt("udp", "AF_INET", udp, "s.sendto(b'loot', ('127.0.0.1', {port}))"),
        attempt("listen", "AF_INET", tcp, "s.bind(('127.0.0.1', 0))\ns.listen()"),
        attempt("raw", "AF_INET", "socket.SOCK_RAW, 1", "s.sendto(b'x' * 8, ('127.0.0.1', 0))", harmless=False),
        attempt("netlink", "AF_NETLINK", "socket.SOCK_RAW", "s.bind((0, 0))"),
        attempt("packet", "AF_PACKET", "socket.SOCK_RAW", "s.recv(1)", harmless=False),
        attempt("unix_path", "AF_UNIX", tcp, "s.connect({unix!r})"),
        attempt("unix_abstract", "AF_UNIX", tcp, "s.connect({abstract!r})"),
        Attack(
            "unix_pair_sendto",
            "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
            "a.sendto(b'loot', {abstract!r} + 'd')\nprint('ESCAPED')",
            True,
        ),
        Attack(
            "http",
            "import urllib.request\nprint('ESCAPED', urllib.request.urlopen('http://127.0.0.1:{port}', timeout=2))",
        ),
        Attack("names", "import socket\nprint('ESCAPED', socket.getaddrinfo('example.com', 80))"),
        Attack("socket_by_number", f"{_SYSCALL}result = call(41, 198, 2, 1, 0){_REFUSED}", True),
    ]


def processes() -> list[Attack]:
    return [
        Attack("environment", "import os\nprint({key!r} in os.environ and 'ESCAPED')"),
        Attack("own_environ", "data = open('/proc/self/environ').read()\nprint({key!r} in data and 'ESCAPED')"),
        Attack("other_environ", "data = open('/proc/{victim}/environ').read()\nprint({key!r} in data and 'ESCAPED')",
               True),
        Attack("parent_command", "print('ESCAPED', open('/proc/{parent}/cmdline').read())", True),
        Attack("parent_memory", "open('/proc/{parent}/mem', 'rb')\nprint('ESCAPED')", True),
        Attack("parent_descriptors", "import os\nprint('ESCAPED', os.listdir('/proc/{parent}/fd'))", True),
        Attack("see_processes", "import os\nothers = [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 9]\n"
               "if others: print('ESCAPED', others)", True),
        Attack("signal_victim", "import os, signal\nos.kill({victim}, signal.SIGTERM)\nprint('ESCAPED')"),
        Attack("signal_thread", f"{_SYSCALL}result = call(234, 131, {{victim}}, {{victim}}, 15)\n"
               "if result == 0: print('ESCAPED')"),
        Attack("signal_queue", f"{_SYSCALL}result = call(129, 138, {{victim}}, 15, bytes(128))\n"
               "if result == 0: print('ESCAPED')"),
        Attack("signal_all", "import os, signal\nos.kill(-1, signal.SIGKILL)\nprint('tried')"),
        Attack("signal_server", "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nprint('tried')"),
        Attack("signal_by_owner", "import fcntl, os, signal\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, {victim})\n"
               "print('ESCAPED')"),
        Attack("signal_by_ioctl", "import fcntl, socket, struct\na, b = socket.socketpair()\n"
               "fcntl.ioctl(a, 0x8901, struct.pack('i', {victim}))\nprint('ESCAPED')"),
        Attack("fork", "import os\nif os.fork() == 0: os._exit(0)\nprint('ESCAPED')", True),
        Attack("fork_bomb", "import os\nwhile True:\n    try: os.fork()\n    except BlockingIOError: pass",
               limits={"cpu": 0.5}),
        Attack("subprocess", "import subprocess\nprint('ESCAPED', subprocess.check_output(['/bin/ls', '/']))", True),
        Attack("system", "import os\nif os.system('true') == 0: print('ESCAPED')", True),
        Attack("spawn", "import os\nos.posix_spawn('/bin/true', ['true'], {{}})\nprint('ESCAPED')", True),
        Attack("multiprocessing", "import multiprocessing\np = multiprocessing.Process(target=print)\np.start()\n"
               "print('ESCAPED')", True),
        Attack("exec_shell", "import os\nos.execv('/bin/sh', ['sh', '-c', 'echo ESCAPED'])", True),
        Attack("daemon", "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
               "        time.sleep(0.5)\n        open({folder!r} + '/made', 'w').write('x')\n        os._exit(0)\n"
               "    os._exit(0)\nprint('ESCAPED')"),
        Attack("ctypes_code", "import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(b'\\xb8\\x27\\0\\0\\0\\x0f\\x05\\xc3')\n"
               "f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))\n"
               "import os, platform\nif platform.machine() == 'x86_64' and f() != os.getpid(): print('ESCAPED')"),
    ]  # fmt: skip


def resources() -> list[Attack]:
    short: dict[str, Any] = {"cpu": 0.5, "wall": 4.0}
    return [
        Attack("busy_loop", "while True: pass", limits=short),
        Attack("sleep", "import time\ntime.sleep(3600)", limits={"wall": 0.5}),
        Attack("wait_for_input", "import threading\nthreading.Event().wait()", limits={"wall": 0.5}),
        Attack("deaf", "import signal, time\nfor s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n"
               "    except (OSError, ValueError): pass\nwhile True: time.sleep(1)", limits={"wall": 0.5}),
        Attack("threads_left", "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()",
               limits={"wall": 0.5}),
        Attack("exit_that_hangs", "import atexit, time\natexit.register(time.sleep, 3600)", limits={"wall": 0.5}),
        Attack("huge_power", "print(len(str(10 ** 10 ** 9)))", limits=short),
        Attack("slow_regex", "import re\nre.match('(a+)+$', 'a' * 60 + 'b')", limits=short),
        Attack("memory_list", "x = [0]\nwhile True: x += x", limits=short),
        Attack("memory_bytes", "x = []\nwhile True: x.append(bytearray(1 << 24))", limits=short),
        Attack("memory_map", "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 26)); x[-1].write(b'1' * (1 << 26))",
               limits=short),
        Attack("memory_stack", "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): return f() + 1\nf()", limits=short),
        Attack("memory_c_stack", "import sys\nsys.setrecursionlimit(10 ** 9)\nx = []\nfor _ in range(10 ** 6): x = [x]\nrepr(x)",
               limits=short),
        Attack("disk", "with open('x', 'wb') as f:\n    for _ in range(200): f.write(bytes(1 << 20))\nprint('ESCAPED')"),
        Attack("disk_many", "import time\nfor n in range(200):\n    with open(str(n), 'wb') as f: f.write(bytes(1 << 20))\n"
               "time.sleep(10)\nprint('ESCAPED')"),
        Attack("disk_in_folders", "import os, time\nfor n in range(60):\n    os.mkdir(f'd{{n}}')\n"
               "    open(f'd{{n}}/x', 'wb').write(bytes(1 << 20))\ntime.sleep(10)\nprint('ESCAPED')"),
        Attack("inodes", "import time\nfor n in range(100_000): open(str(n), 'w').close()\ntime.sleep(10)\nprint('ESCAPED')",
               limits={"cpu": 3.0}),
        Attack("inodes_of_links", "import os, time\nfor n in range(20_000): os.symlink('x', str(n))\ntime.sleep(10)\n"
               "print('ESCAPED')", limits={"cpu": 3.0}),
        Attack("disk_reserved", "import os, time\nfor n in range(100):\n    f = os.open(str(n), os.O_CREAT | os.O_RDWR)\n"
               "    os.posix_fallocate(f, 0, 1 << 20)\n    os.close(f)\ntime.sleep(10)\nprint('ESCAPED')"),
        Attack("disk_deleted", "import os, time\nfor n in range(60):\n    f = os.open('x', os.O_CREAT | os.O_RDWR)\n"
               "    os.unlink('x')\n    os.write(f, bytes(1 << 20))\ntime.sleep(10)\nprint('ESCAPED')"),
        Attack("disk_without_names", "import os, time\nfor n in range(60):\n"
               "    os.write(os.open('.', os.O_TMPFILE | os.O_RDWR), bytes(1 << 20))\ntime.sleep(10)\nprint('ESCAPED')"),
        Attack("disk_replaced", "import os, time\nfor n in range(60):\n    f = os.open('y', os.O_CREAT | os.O_RDWR)\n"
               "    os.write(f, bytes(1 << 20))\n    os.rename('y', 'x')\ntime.sleep(10)\nprint('ESCAPED')"),
        Attack("disk_mapped", "import mmap, os, time\nk = []\nfor n in range(60):\n"
               "    f = os.open('x', os.O_CREAT | os.O_RDWR)\n    os.write(f, bytes(1 << 20))\n"
               "    k.append(mmap.mmap(f, 4096))\n    os.unlink('x')\n    os.close(f)\ntime.sleep(10)\nprint('ESCAPED')"),
        Attack("disk_of_a_thread", "import ctypes, os, threading, time\nlibc = ctypes.CDLL(None)\ndef hold():\n"
               "    libc.syscall(272, 0x400)\n    for n in range(60):\n        f = os.open('x', os.O_CREAT | os.O_RDWR)\n"
               "        os.unlink('x')\n        os.write(f, bytes(1 << 20))\n    time.sleep(10)\n    print('ESCAPED')\n"
               "t = threading.Thread(target=hold)\nt.start()\nt.join()"),
        Attack("disk_in_flight", "import array, os, socket, time\na, b = socket.socketpair()\nfor n in range(60):\n"
               "    f = os.open('x', os.O_CREAT | os.O_RDWR)\n    os.write(f, bytes(1 << 20))\n    os.unlink('x')\n"
               "    a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [f]))])\n    os.close(f)\n"
               "time.sleep(10)\nprint('ESCAPED')"),
        Attack("shared_memory_disk", "for n in range(100):\n    open(f'/dev/shm/{{n}}', 'wb').write(bytes(1 << 20))\n"
               "print('ESCAPED')"),
        Attack("output", "while True: print('x' * 65536)", limits=short),
        Attack("output_errors", "import sys\nwhile True: sys.stderr.write('x' * 65536)", limits=short),
        Attack("output_caught", "import os\nwhile True:\n    try: os.write(1, b'x' * 65536)\n    except OSError: pass",
               limits=short),
        Attack("thread_bomb", "import threading, time\nthreading.stack_size(32768)\nn = 0\n"
               "while True:\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n    n += 1\n"
               "    if n > 2000: print('ESCAPED'); break", limits={"cpu": 2.0, "wall": 8.0}),
        Attack("descriptor_bomb", "import os\nx = [os.pipe() for _ in range(2000)]\nprint('ESCAPED')"),
        Attack("crash", "import ctypes\nctypes.string_at(0)"),
        Attack("abort", "import os\nos.abort()"),
        Attack("raise_limits", "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\n"
               "x = bytearray(2 << 30)\nprint('ESCAPED')"),
    ]  # fmt: skip


ATTACKS = [*files(), *kernel(), *network(), *processes(), *resources()]
