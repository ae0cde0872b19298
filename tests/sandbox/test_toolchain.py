"""The toolchain profile: C in, one object out, and nothing else gets in or out."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import CandidateFailure, FailureKind, SandboxError, toolchain
from sandbox.toolchain import CompileLimits, compile_c, compiler

CRASH, MEMORY = FailureKind.CRASH, FailureKind.MEMORY
TIMEOUT, VIOLATION = FailureKind.TIMEOUT, FailureKind.VIOLATION
STOLEN = "int stolen_from_the_host;"


@pytest.fixture(scope="module", autouse=True)
def _compiler() -> None:
    try:
        compile_c("int x;")
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret.h"
    path.write_text(STOLEN + "\n")
    return str(path)


def failure(source: str, limits: CompileLimits | None = None) -> CandidateFailure:
    with pytest.raises(CandidateFailure) as caught:
        compile_c(source, limits=limits or CompileLimits())
    return caught.value


def test_a_kernel_is_compiled_and_runs(tmp_path: Path) -> None:
    source = "#include <math.h>\ndouble f(double x) { return K * sqrt(x); }\n"
    made = compile_c(source, flags=["-O3", "-march=x86-64-v2", "-std=c17", "-DK=2.5"])
    path = tmp_path / "kernel.so"
    path.write_bytes(made)
    function = ctypes.CDLL(str(path)).f
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double]
    assert function(4.0) == 5.0


def test_the_same_source_gives_the_same_object() -> None:
    assert compile_c("int f(int x) { return x + 1; }") == compile_c(
        "int f(int x) { return x + 1; }"
    )


def test_a_mistake_is_named_with_its_place() -> None:
    error = failure("int f(void) { return y; }\n")
    assert error.kind is CRASH
    assert error.reason.startswith("program.c:1:22: error: 'y' undeclared")
    assert "1 | int f(void)" in error.stderr


@pytest.mark.parametrize(
    "flag",
    [
        "-fplugin=/tmp/x.so", "@/etc/passwd", "-specs=x", "-include", "-I/", "-Wl,-T,x", "-Wa,-x",
        "-Wp,-x", "-B/tmp", "-o", "/etc/passwd", "-xassembler", "-wrapper", "-save-temps", "-flto",
        "-DX=\"y\"", "-DX= -I/", "-O2\n", "-march=native,x", "-fdump-tree-all", "-L/", "-lx", "",
        "--sysroot=/", "-pipe", "-imacros", "-dM", "-MF", "-fprofile-use=/x", "-idirafter",
    ],
)  # fmt: skip
def test_flags_that_name_files_or_programs_are_refused(flag: str) -> None:
    with pytest.raises(ValueError, match="may be passed to the compiler"):
        compile_c("int x;", flags=[flag])


READING = {
    "include": '#include "{}"\nint *p = &stolen_from_the_host;\n',
    "include by a macro": '#define X "{}"\n#include X\nint *p = &stolen_from_the_host;\n',
    "include by climbing": '#include "../../../../../../../../..{}"\nint *p=&stolen_from_the_host;',
    "incbin": 'asm(".incbin \\"{}\\"");\n',
    "an assembler's include": 'asm(".include \\"{}\\"");\n',
    "a line marker, for the message": '# 1 "{}"\nint f(void) {{ return x; }}\n',
    "a #line, for the message": '#line 1 "{}"\nint f(void) {{ return x; }}\n',
    "a date": '#pragma GCC dependency "{}"\n#error no such file, or so\n',
    "existence": '#if __has_include("{}")\nint x;\n#else\n#error nothing\n#endif\n',
}


@pytest.mark.parametrize("name", READING)
def test_files_of_the_host_cannot_be_read(name: str, secret: str) -> None:
    error = failure(READING[name].format(secret))
    assert error.kind is CRASH
    assert STOLEN not in error.stderr


@pytest.mark.parametrize(
    "name", [n for n in READING if n not in ("a date", "an assembler's include")]
)
def test_outside_the_sandbox_the_same_sources_do_read_it(
    name: str, secret: str, tmp_path: Path
) -> None:
    source = tmp_path / "p.c"
    source.write_text(READING[name].format(secret))
    done = subprocess.run(
        [compiler().command, "-shared", "-fPIC", "-o", tmp_path / "p.so", source],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 or STOLEN in done.stderr


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/hostname", "/proc/self/environ", "/proc/1/maps", "/dev/stdin",
     "/dev/zero", "/etc/shadow", sys.executable, __file__],
)  # fmt: skip
def test_usual_places_are_not_there(path: str) -> None:
    assert failure(f'asm(".incbin \\"{path}\\"");\n').kind is CRASH


SHORT = CompileLimits(wall_s=4.0, memory_bytes=512 << 20, tmp_bytes=16 << 20, output_bytes=1 << 20)
DOUBLED = "".join(f"#define M{n} M{n - 1} M{n - 1}\n" for n in range(1, 50))
BOMBS = {
    "includes itself": ('#include "program.c"\n', {CRASH}),
    "includes itself twice, for ever": (
        "#if __INCLUDE_LEVEL__ < 100\n#include __FILE__\n#include __FILE__\n#endif\n",
        {TIMEOUT},
    ),
    "macros that double": (f"#define M0 x,\n{DOUBLED}int M49 y;\n", {TIMEOUT, MEMORY}),
    "macros that double text": (
        DOUBLED.replace("#define M1 M0 M0", "#define M1 +1+1") + "int x = 0 M49;\n",
        {TIMEOUT, MEMORY},
    ),
    "an assembler's repetition": (
        'asm(".rept 1000000000\\n.quad 0x1234567890\\n.endr");\n', {MEMORY, TIMEOUT, VIOLATION},
    ),
    "an assembler's endless loop": (
        'asm(".macro again\\n.long 1\\nagain\\n.endm\\nagain");\n', {CRASH, MEMORY, TIMEOUT},
    ),
    "space": ('asm(".data\\n.space 0x10000000000, 1");\n', {MEMORY, TIMEOUT, VIOLATION, CRASH}),
    "a large initialised array": ("char x[1UL << 32] = {1};\n", {VIOLATION, CRASH, MEMORY}),
    "an object just too large": ("char x[2 << 20] = {1};\n", {VIOLATION}),
    "endless messages": ("x y;\n" * 60000, {CRASH}),
    "endless warnings": ("#warning again\n" * 60000 + "#error\n", {CRASH, TIMEOUT}),
    "deep nesting": ("int x = " + "(" * 300000 + "1" + ")" * 300000 + ";\n", {CRASH, MEMORY}),
    "a line without end": ("int " + "x" * 900000 + ";\nint y = z;\n", {CRASH}),
    "a source too long": ("int x;\n" * 200000, {VIOLATION}),
    "a source that is no text": ("int \ud800;", {CRASH}),
    "plugins by pragma": ('#pragma GCC optimize ("-fplugin=/x.so")\n#error end\n', {CRASH}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_end_with_a_verdict_and_in_time(name: str) -> None:
    source, kinds = BOMBS[name]
    start = time.monotonic()
    error = failure(source, SHORT)
    assert error.kind in kinds, error
    assert time.monotonic() - start < 60
    assert len(error.stderr) < 20000
    assert "\x1b" not in error.stderr


def test_messages_are_printable() -> None:
    error = failure('#line 1 "\x1b[2J"\nint f(void) { return x; }\n')
    assert "\x1b" not in error.reason + error.stderr


def test_a_message_cannot_pass_for_another_verdict() -> None:
    for text in ("cc1: out of memory allocating 1 bytes", "gcc: fatal error: Killed signal"):
        assert failure(f"#error {text}\n").kind is CRASH
        assert failure(f'asm(".print \\"{text}\\"");\nint x = y;\n').kind is CRASH
    for text in ("Killed signal terminated program cc1", "out of memory", "File too large"):
        names = ("gcc", "cc1", "/usr/bin/ld", "gcc: fatal error", "program.s: Fatal error")
        source = "".join(f'#line 1 "{name}"\n#error {text}\n' for name in names)
        assert failure(source).kind is CRASH
    assert failure('asm(".file \\"gcc: Killed signal\\"\\n.line 3\\n bad");\n').kind is CRASH


def test_a_file_too_large_is_a_violation() -> None:
    assert failure('asm(".data\\n.space 0x7fffffffff");\n').kind is VIOLATION


TAKEN_OVER = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sched.h>
#define TRY(name, happened) if (happened) fprintf(stderr, "GOT %s\n", name)
static int runs(const char *path) {
    int status;
    pid_t child = fork();
    if (child == 0) { execl(path, path, "--version", NULL); _exit(99); }
    if (child < 0) return 0;
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 99);
}
int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--version")) return 0;  /* a copy of itself */
    TRY("a file", open("SECRET", O_RDONLY) >= 0);
    TRY("the environment", getenv("HOME") || getenv("PYTHONDONTWRITEBYTECODE"));
    TRY("a socket", socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    int outside = argc > 1 && !strcmp(argv[1], "outside");
    TRY("the parent", kill(getppid(), outside ? 0 : SIGKILL) == 0 && getppid() != 1);
    TRY("another program", runs("OTHER"));
    int copy = open("copy", O_CREAT | O_WRONLY, 0755);
    int self = open(argv[0], O_RDONLY);
    char *page = malloc(1 << 22);
    ssize_t size = read(self, page, 1 << 22);
    TRY("no copy", self < 0 || write(copy, page, size) != size);
    fchmod(copy, 0755); close(copy);
    TRY("a program it wrote", runs("./copy"));
    int again = open("copy", O_RDONLY);
    TRY("executable pages of a file", mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, again, 0)
        != MAP_FAILED);
    TRY("descriptors", fcntl(3 + 6, F_GETFD) >= 0);
    TRY("a place to write", open("/usr/include/x.h", O_CREAT | O_WRONLY, 0644) >= 0
        || open("/x", O_CREAT | O_WRONLY, 0644) >= 0);
    TRY("a device", open("/dev/null", O_RDWR) < 0);
    TRY("other processes", opendir("/proc") != NULL || getppid() > 1);
    TRY("another user", setuid(0) == 0 && getuid() == 0);
    if (outside) return 0;
    int made = 0, n;
    for (n = 0; n < 100; n++) {
        pid_t child = fork();
        if (child == 0) { setsid(); pause(); _exit(0); }
        made += child > 0;
    }
    TRY("many processes", made > 20);
    fprintf(stderr, "DONE\n");
    if (argc > 1 && !strcmp(argv[1], "ptrace")) TRY("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
    if (argc > 1 && !strcmp(argv[1], "unshare")) TRY("unshare", unshare(CLONE_NEWUSER) == 0);
    if (argc > 1 && !strcmp(argv[1], "mount")) TRY("mount", mount("x", "/dev", "tmpfs", 0, 0) == 0);
    symlink("/etc/passwd", "program.so");
    return 0;
}
"""


def test_a_compiler_that_was_taken_over_gets_no_further(
    tmp_path: Path, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.which("env")
    assert other is not None
    code = TAKEN_OVER.replace("SECRET", secret).replace("OTHER", other)
    source, program = tmp_path / "taken.c", tmp_path / "taken"
    source.write_text(code)
    subprocess.run([compiler().command, "-w", "-o", program, source], check=True)
    outside = subprocess.run(
        [program, "outside"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert len(re.findall("GOT (a|the|another|other|executable) ", outside.stderr)) >= 8
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    found = compiler()
    view = toolchain.plan_paths([*found.view.system, str(program), other])
    taken = replace(
        found, command=str(program), programs=(*found.programs, str(program)), view=view
    )
    monkeypatch.setattr(toolchain, "compiler", lambda: taken)
    monkeypatch.setattr(toolchain, "_FIXED", ())
    for last in ("", "ptrace", "unshare", "mount"):
        monkeypatch.setattr(toolchain, "_FIXED", (last,) if last else ())
        with pytest.raises(CandidateFailure) as caught:
            compile_c("int x;", flags=[], limits=CompileLimits(wall_s=5.0))
        assert "DONE" in caught.value.stderr
        assert "GOT" not in caught.value.stderr
        if not last:
            assert caught.value.kind is VIOLATION
            assert caught.value.reason == "what was made is no object file"


def test_no_compiler_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    compiler.cache_clear()
    try:
        with pytest.raises(
            SandboxError, match=r"^no gcc on this machine; .*apt install gcc"
        ) as caught:
            compile_c("int x;")
    finally:
        compiler.cache_clear()
    assert "\n" not in str(caught.value)


_WORKER = """
import sys
from sandbox.toolchain import compile_c
print("ready", flush=True)
compile_c("#if __INCLUDE_LEVEL__ < 100\\n#include __FILE__\\n#include __FILE__\\n#endif\\n")
"""


def test_kill_9_of_the_worker_ends_the_compiler() -> None:
    def busy() -> list[str]:
        names = [path / "comm" for path in Path("/proc").iterdir() if path.name.isdigit()]
        found = []
        for name in names:
            try:
                if name.read_text().strip() == "cc1":
                    found.append(str(name))
            except OSError:
                continue
        return found

    with subprocess.Popen(
        [sys.executable, "-c", _WORKER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as worker:
        before = busy()
        end = time.monotonic() + 100
        while not set(busy()) - set(before):
            assert time.monotonic() < end
        started = set(busy()) - set(before)
        worker.kill()
    end = time.monotonic() + 60
    while started & set(busy()):
        assert time.monotonic() < end


def test_nothing_is_left_behind() -> None:
    def held() -> tuple[int, list[Path]]:
        groups = Path("/sys/fs/cgroup").glob(f"**/evolve-{os.getpid()}-*")
        return len(os.listdir("/proc/self/fd")), list(groups)

    before = held()
    compile_c("int x;")
    failure("int x = y;")
    failure("#if __INCLUDE_LEVEL__ < 100\n#include __FILE__\n#include __FILE__\n#endif\n",
            CompileLimits(wall_s=0.5))  # fmt: skip
    assert held() == before
