"""The most used methods of redis-py's client; the code is in native_client.pyx. Their types are redis-py's."""

from redislite._core.embedded.executor import Executor

class NativeClient(Executor):
    def use_methods(self, own: type) -> None: ...
