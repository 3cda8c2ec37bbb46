"""Forked children with tasks for unit tests only."""
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from redislite._core.persistence.fork cimport CHILD_PROGRAM_WORDS, ChildPage, ChildReport, child_fork, child_program
from redislite._core.state.core cimport Core

cdef extern from *:
    """
    #include <unistd.h>
    """
    int usleep(unsigned int microseconds) noexcept nogil


cdef struct Job:
    int result
    int64_t keys                # that it counts, a millisecond each
    size_t touched              # bytes that it writes to first


cdef int work(Core* core, void* argument, ChildPage* page) noexcept nogil:
    cdef Job* job = <Job*> argument
    cdef uint8_t* block = <uint8_t*> malloc(job.touched) if job.touched else NULL
    if block != NULL:
        memset(block, 1, job.touched)
    while <int64_t> page.keys < job.keys:
        page.keys += 1
        usleep(1000)
    page.bytes = job.touched
    page.step = block[job.touched - 1] + 1 if block != NULL else 1
    free(block)
    return job.result


def fork_child(ChildReport report, int result=0, int64_t keys=0, size_t touched=0, int kept=-1, then=()) -> int:
    """Forks a child that keeps this descriptor, writes to this much memory of its own, counts to `keys`, and ends with
    this errno, or becomes the program `then`."""
    cdef char* program[CHILD_PROGRAM_WORDS]
    cdef char** words = child_program(then, program)
    cdef Job job
    cdef int child
    job.result = result
    job.keys = keys
    job.touched = touched
    with nogil:
        child = child_fork(NULL, work, &job, report.page, "probe", kept, words)
    if child < 0:
        raise OSError(-child, "fork")
    return child
