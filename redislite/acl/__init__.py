"""Access control: who may do what.

    rules       what one selector allows, and the words that say it
    users       users, and which connection is whose
    files       users in files: `aclfile`, and `user` lines of the configuration
    access_log  what was denied lately

Policy is made here, once, when rules change; what it comes to is compiled, and checked by `dispatch/permissions.pyx`.
"""
