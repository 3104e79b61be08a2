"""
The console script `recbench`, and ``python -m recbench_cli``.

To load the command line takes half a second, in which Python would answer Ctrl-C by a traceback:
until `recbench_cli.leaving` listens, the process ends as the system ends one.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from recbench_cli.main import main

if __name__ == "__main__":
    main()
