"""What Python sees of crash reports; the code is in crash.pyx."""

def prepare(python_signal: int, python_descriptor: int) -> None: ...
def catch_faults(on: bool) -> None: ...
def describe(
    *,
    title: bytes,
    log_path: bytes,
    pid_file: bytes,
    info: bytes,
    configuration: bytes,
    report: bool,
    hide_user_data: bool,
    test_memory: bool,
    exit_on_panic: bool,
) -> None: ...
def assertion_failed(condition: bytes, file: bytes, line: int) -> None: ...
def panic(message: bytes, file: bytes, line: int) -> None: ...
