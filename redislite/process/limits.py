"""What the system allows the process: descriptors; and what it gives without being asked: huge pages."""

from __future__ import annotations

import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite.config.config import Config
    from redislite.observability.log import Log

RESERVED_DESCRIPTORS = 32  # beside one per client: listeners, files, the loop's own


def descriptor_limit() -> int:
    """How many descriptors this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_descriptor_limit(wanted: int) -> int:
    """Raises the limit to at least this many, as far as the system lets us; answers what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        for soft_wanted, hard_wanted in ((wanted, max(hard, wanted)), (min(wanted, hard), hard)):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft_wanted, hard_wanted))
            except (ValueError, OSError):
                continue
            break
    limit = descriptor_limit()
    return wanted if limit == resource.RLIM_INFINITY else limit


def adjust_descriptors(config: Config, log: Log) -> None:
    """Makes room for ``maxclients`` descriptors, or lowers it to what there is room for."""
    wanted = config["maxclients"] + RESERVED_DESCRIPTORS
    limit = raise_descriptor_limit(wanted)
    if limit < wanted:
        allowed = max(1, limit - RESERVED_DESCRIPTORS)
        log.warning(
            f"You requested maxclients of {config['maxclients']} requiring at least {wanted} max file descriptors."
        )
        log.warning(f"Current maximum open files is {limit}. maxclients has been reduced to {allowed}.")
        config.assign("maxclients", allowed)


def huge_pages_are_on() -> bool:
    """Whether the system gives huge pages to processes that did not ask for them."""
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as file:
            return "[always]" in file.read()
    except OSError:
        return False
