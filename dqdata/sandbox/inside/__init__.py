"""The half of the sandbox that runs inside it: standard library, and little of that, since every fork pays for it.

server.py       waits for jobs and forks a fresh process for each
job.py          a job: its process, its limits, its judge
jail.py         what a fresh process gives up before it runs anything
program.py      runs one program
candidate.py    holds a candidate's objects and answers calls from the checker
checker.py      tests a candidate in another process
judge.py        the same for simple tests, one candidate after another
cases.py        runs tests and counts
link.py         asks the candidate, and waits for its answers
remote.py       an object of the candidate, as tests see it
clock.py        the wall time that counts against a program
plain.py        the plain data that crosses the line
folders.py      removes and measures scratch folders, whatever a program made of them
stage.py        started as root: becomes an unprivileged user
"""
