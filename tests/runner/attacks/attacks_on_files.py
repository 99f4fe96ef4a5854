"""Reading and writing what is not the script's own."""

from attack import Attack, InMonty

READING = (
    Attack(
        name="read /etc/shadow",
        script="""
for path in ("/etc/shadow", "/etc/passwd", "/proc/1/root/etc/shadow", "/proc/self/root/etc/shadow",
             "/work/../etc/shadow", "/proc/self/cwd/../../etc/shadow", "/dev/fd/../../etc/shadow"):
    refused(path, lambda: open(path).read())
os.symlink("/etc/shadow", "/work/shadow")
refused("by a link", lambda: open("/work/shadow").read())
refused("what the runner can read", lambda: open(world["secret_file"]).read())
""",
        safe="""
with open("/work/a", "w") as file: file.write("mine")
assert open("/work/a").read() == "mine"
import json.decoder
assert "class JSONDecoder" in open(json.decoder.__file__).read()
""",
        monty=InMonty(
            script="x = open('/etc/shadow').read()", ends=("PermissionError",), safe="x = 'a'.upper()"
        ),
    ),
    Attack(
        name="read home",
        script="""
for path in ("/root", "/home", world["home"], "/var", "/run", "/mnt", "/srv", "/boot", "/sys"):
    refused(path, os.listdir, path)
holds("all of /", set(os.listdir("/")) <= {"callgate_guest", "dev", "lib", "lib64", "opt", "packages", "proc",
                                          "scratch", "tmp", "usr", "work"}, os.listdir("/"))
import pwd
try: holds("users", not pwd.getpwall(), pwd.getpwall())
except KeyError: pass
""",
        safe="""
import os
assert os.path.expanduser("~") == "/work" and os.listdir(os.path.expanduser("~")) == []
""",
        monty=InMonty(
            script="import os\nx = os.listdir('/root')",
            ends=("PermissionError",),
            safe="from pathlib import Path\nx = Path('/a') / 'b'",
        ),
    ),
    Attack(
        name="read the environment of other processes",
        script="""
for pid in (1, os.getppid(), world["host_pid"], world["victim_pid"], world["sibling_pid"]):
    if pid in (0, os.getpid()):
        continue
    for name in ("environ", "maps", "mem", "cmdline", "cwd/x", "root/etc/passwd", "fd"):
        path = f"/proc/{pid}/{name}"
        refused(path, lambda: os.listdir(path) if name == "fd" else open(path, "rb").read(100))
holds("own", "CALLGATE" not in "".join(os.environ), dict(os.environ))
holds("others", [n for n in os.listdir("/proc") if n.isdigit()] == [str(os.getpid())], os.listdir("/proc"))
""",
        safe="""
import os
os.environ['MINE'] = '1'
assert os.environ['MINE'] == '1' and os.environ['HOME'] == '/work'
""",
        monty=InMonty(
            script="import os\nx = os.environ['HOME']",
            ends=("KeyError",),
            safe="import os\nassert os.getenv('HOME') is None",
        ),
    ),
    Attack(
        name="devices",
        script="""
holds("which", set(os.listdir("/dev")) <= {"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout",
                                          "stderr", "shm"}, os.listdir("/dev"))
for name in ("mem", "kmem", "kmsg", "port", "sda", "vda", "nvme0n1", "tty", "ptmx", "fuse", "kvm", "net/tun"):
    refused(name, open, f"/dev/{name}", "r+b", 0)
import stat
refused("a disk of one's own", os.mknod, "/work/disk", 0o666 | stat.S_IFBLK, os.makedev(8, 0))
refused("a device of one's own", os.mknod, "/work/mem", 0o666 | stat.S_IFCHR, os.makedev(1, 1))
refused("entropy", lambda: open("/dev/random", "wb", 0).write(b"x"))
""",
        safe="""
import os, secrets
assert len(secrets.token_bytes(16)) == 16 and open("/dev/zero", "rb").read(4) == bytes(4)
with open("/dev/null", "w") as file: file.write("x")
""",
    ),
    Attack(
        name="the kernel's own files",
        script="""
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/modprobe", "/proc/kcore",
             "/proc/kallsyms", "/proc/keys", "/proc/mounts/../kmsg", "/sys/kernel/uevent_helper",
             "/sys/fs/cgroup/release_agent", "/sys/kernel/security/landlock", "/proc/self/oom_score_adj",
             "/proc/self/uid_map", "/proc/self/setgroups", "/proc/self/loginuid", "/proc/self/attr/current"):
    refused(path, open, path, "w")
for path in ("/proc/kcore", "/proc/kallsyms", "/proc/config.gz", "/proc/cpuinfo", "/proc/version", "/proc/net"):
    refused(f"read {path}", lambda: os.listdir(path) if path.endswith("net") else open(path, "rb").read(10))
""",
        safe="""
import os
assert open('/proc/self/status').read().startswith('Name:')
assert os.cpu_count()
""",
    ),
    Attack(
        name="its own memory and program by /proc",
        script="""
refused("memory", open, "/proc/self/mem", "r+b")
refused("memory of a thread", open, "/proc/thread-self/mem", "r+b")
refused("program", open, "/proc/self/exe", "r+b")
refused("clear_refs", open, "/proc/self/clear_refs", "w")
refused("coredump_filter", open, "/proc/self/coredump_filter", "w")
""",
        safe="import sys\nassert sys.executable and sys.version_info >= (3, 11)\n",
    ),
)

WRITING = (
    Attack(
        name="write outside the work folder",
        script="""
for folder in ("/", "/usr", "/usr/lib", "/opt", "/etc", "/dev", "/proc", "/proc/self", "/callgate_guest", "/scratch",
               "/callgate_guest/callgate_guest", "/packages", "/packages/shared", os.path.dirname(os.__file__),
               world["open_folder"], "/work/..", "/work/../..", "/tmp/../.."):
    refused(folder, open, f"{folder}/callgate_attack", "w")
    refused(f"mkdir {folder}", os.mkdir, f"{folder}/callgate_attack")
    refused(f"link {folder}", os.symlink, "x", f"{folder}/callgate_attack")
os.symlink(world["open_folder"], "/work/out")
refused("through a link", open, "/work/out/callgate_attack", "w")
open("/work/a", "w").close()
refused("move out", os.rename, "/work/a", "/scratch/a")
for path in (os.__file__, "/packages/shared/shared.py", "/callgate_guest/callgate_guest/run.pyc",
             "/callgate_guest/callgate_entry.pyc"):
    refused(f"change {path}", open, path, "r+")
    refused(f"remove {path}", os.unlink, path)
    refused(f"replace {path}", os.rename, "/work/a", path)
    refused(f"cut {path}", os.truncate, path, 0)
""",
        safe="""
import os, shutil, tempfile, sqlite3
os.makedirs("/work/a/b"); open("/work/a/b/c", "w").write("x"); os.rename("/work/a/b/c", "/work/d")
shutil.copytree("/work/a", "/work/e"); shutil.rmtree("/work/a")
with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile(dir=folder) as file: file.write(b"x")
store = sqlite3.connect("/work/store"); store.execute("create table t (x)"); store.commit(); store.close()
import shared
assert shared.VALUE == 42
""",
        monty=InMonty(
            script="open('/tmp/callgate_attack', 'w').write('x')",
            ends=("PermissionError",),
            safe="x = [1]\nx.append(2)\nassert x == [1, 2]",
        ),
    ),
    Attack(
        name="change the rights of bound files",
        script="""
for path in (os.__file__, "/packages/shared/shared.py", "/packages/shared", "/callgate_guest", "/usr/lib", "/",
             "/dev/null"):
    refused(f"mode of {path}", os.chmod, path, 0o777)
    refused(f"owner of {path}", os.chown, path, os.getuid(), os.getgid())
    refused(f"times of {path}", os.utime, path, (1, 1))
    if path != "/dev/null":
        try:
            os.setxattr(path, "user.callgate", b"x")
            said[f"attribute of {path}"] = "went through"
        except OSError:
            pass
""",
        safe="""
import os
open("/work/a", "w").close(); os.chmod("/work/a", 0o600); os.utime("/work/a", (1, 1))
assert os.stat("/work/a").st_mtime == 1 and os.stat("/work/a").st_mode & 0o777 == 0o600
""",
    ),
    Attack(
        name="ways around paths",
        script="""
how = (ctypes.c_uint64 * 3)(0, 0, 0)
refused("openat2", kernel, "openat2", -100, b"/etc/shadow", how, 24)
handle = ctypes.create_string_buffer(200)
refused("name_to_handle_at", kernel, "name_to_handle_at", -100, b"/", handle, ctypes.byref(ctypes.c_int()), 0)
refused("open_by_handle_at", kernel, "open_by_handle_at", 3, handle, 0)
refused("chroot", os.chroot, "/work")
refused("open_tree", kernel, "open_tree", -100, b"/", 1)
for number in range(3, 16):
    try: os.fstat(number)
    except OSError: continue
    refused(f"above descriptor {number}", lambda: os.listdir(f"/proc/self/fd/{number}/.."))
    refused(f"a folder behind descriptor {number}", lambda: os.open("..", os.O_RDONLY, dir_fd=number))
""",
        safe="""
import os
os.mkdir('/work/a')
f = os.open('/work/a', os.O_RDONLY)
os.open('b', os.O_CREAT, dir_fd=f)
assert os.listdir(f) == ['b']
""",
    ),
)

IN_THE_OUTPUT_FOLDER = (
    Attack(
        name="symlink in the output folder",
        script="""
os.symlink(world["secret_file"], "/work/result")
os.symlink("/proc/self/root", "/work/root"); os.symlink("/work/loop", "/work/loop")
refused("the host's file", lambda: open("/work/result").read())
refused("write the host's file", open, "/work/result", "w")
holds("the root behind it", "etc" not in os.listdir("/work/root"), "")
""",
        safe="""
import os
open('/work/a', 'w').write('x')
os.symlink('a', '/work/b')
assert open('/work/b').read() == 'x'
""",
    ),
    Attack(
        name="fifo in the output folder",
        script="import stat\nrefused('fifo', os.mkfifo, '/work/fifo')\n"
        "refused('socket', os.mknod, '/work/socket', 0o666 | stat.S_IFSOCK)\n",
        safe="import os\na, b = os.pipe()\nos.write(b, b'x')\nassert os.read(a, 1) == b'x'\n",
    ),
    Attack(
        name="hard link in the output folder",
        script="""
for path in (os.__file__, "/packages/shared/shared.py", "/proc/self/exe", "/dev/null", "/proc/self/fd/0"):
    refused(path, os.link, path, "/work/linked")
    refused(f"behind {path}", lambda: os.link(path, "/work/linked", follow_symlinks=True))
""",
        safe="""
import os
open('/work/a', 'w').write('x')
os.link('/work/a', '/work/b')
assert os.stat('/work/b').st_nlink == 2
""",
    ),
    Attack(
        name="sparse file in the output folder",
        script="open('/work/sparse', 'wb').truncate(1 << 40)\n",
        ends=("resource_killed: disk",),
        safe="""
import os
open('/work/sparse', 'wb').truncate(8 << 20)
assert os.stat('/work/sparse').st_blocks == 0
""",
    ),
)

FILES = (*READING, *WRITING, *IN_THE_OUTPUT_FOLDER)
