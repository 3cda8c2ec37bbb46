"""WAIT and WAITAOF: clients that wait until what was written is safe on replicas or on the disk.

There are no replicas, so nothing but the disk ever acknowledges. A waiting request is executed again at the end of the
loop's turns (the disk may have got further by then), and once more when its time is over.
"""
