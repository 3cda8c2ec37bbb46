"""The data plane's settings by the names of their fields in state/settings.pxd."""
from libc.stdint cimport int64_t
from redislite._core.state.settings cimport Settings

cdef dict DEFAULTS      # what they are before a configuration is read; those that are not here: 0


# The place of a setting. KeyError where there is none of that name.
cdef int64_t* setting_place(Settings* settings, str name) except NULL
