"""The half of the sandbox that runs inside it. Standard library only: it is started as `python -I -S`, away from dqdata.

    server.py       waits for jobs and forks a fresh process for each
    jail.py         what a fresh process gives up before it runs anything
    program.py      runs one program
    candidate.py    holds a candidate's objects and answers calls from the checker
    checker.py      runs tests against a candidate in another process
    remote.py       that candidate, as the tests see it
    plain.py        the plain data the two exchange
"""
