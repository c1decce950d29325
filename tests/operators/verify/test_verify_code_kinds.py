"""Right and wrong programs against tests of many kinds: none that agrees with everything is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from dqdata_operators.verify.verify_code import VerifyCode

from dqdata.sandbox import Sandbox


@dataclass
class Run:
    sandbox: Sandbox


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with Sandbox(workers=2) as sandbox:
        yield Run(sandbox)


UNIVERSAL = """class U:
    def __eq__(s,o): return True
    def __ne__(s,o): return True
    def __hash__(s): return 0
    def __lt__(s,o): return True
    __le__=__gt__=__ge__=__lt__
    def __bool__(s): return True
    def __getattr__(s,n): return U()
    def __call__(s,*a,**k): return U()
    def __iter__(s): return iter([])
    def __len__(s): return 1
    def __float__(s): return 1.0
    def __sub__(s,o): return U()
    __rsub__=__add__=__radd__=__mul__=__abs2__=__sub__
    def __abs__(s): return U()
    def __contains__(s,o): return True
    def __getitem__(s,k): return U()
    def __round__(s,*a): return U()
    def __instancecheck__(s,o): return True
"""
# verdict, program, tests
CASES = [
    ('incorrect', UNIVERSAL + 'def f(x): return U()', 'class P:\n    v=1\nassert f(P()) == 3'),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', 'class P:\n    v=1\nr = f(P())\nassert r.total == 3'),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', 'class P:\n    v=1\nexpected = 3\nassert f(P()) == expected'),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', (
        'import unittest\nfrom solution import f\nclass P: v=1\nclass T(unittest.TestCase):\n    '
        'def test(self):\n        expected = 3\n        got = f(P())\n        self.assertEqual(got, expected)'
    )),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', (
        'import unittest\nfrom solution import f\nclass P: v=1\nclass T(unittest.TestCase):\n    '
        'def test(self):\n        self.assertTrue(f(P()) > 3)'
    )),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', (
        'import unittest\nfrom solution import f\nclass P: v=1\nclass T(unittest.TestCase):\n    '
        'def test(self):\n        self.assertIn(3, f(P()))'
    )),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', 'import math\nclass P: v=1\nassert math.isclose(f(P()), 3)'),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', 'class P: v=1\nassert round(f(P()), 2) == 3.14'),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', 'class P: v=1\nassert f(P())[0] == 3'),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', 'class P: v=1\nassert sorted(f(P())) == [1,2]'),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', 'class P: v=1\nassert len(f(P())) == 2'),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', 'class P: v=1\nassert not f(P()) == 4'),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', (
        'class P: v=1\nfor a, b in [(1,2),(3,4)]:\n    '
        'assert f(P()) == b'
    )),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', (
        'class P: v=1\ndef check(candidate):\n    for i in range(3):\n        '
        'assert candidate(P()) == i\ncheck(f)'
    )),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', (
        "class P: v=1\nresult = f(P())\nif result != 3:\n    "
        "raise AssertionError('no')"
    )),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', (
        "from solution import f\nimport pytest\nclass P: v=1\n"
        "@pytest.mark.parametrize('e',[1,2])\ndef test_a(e):\n    assert f(P()) == e"
    )),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', (
        "from solution import f\nclass P: v=1\ndef test_a():\n    "
        "assert f(P()) == 1, 'message'"
    )),
    ('incorrect', UNIVERSAL + 'def f(x): return U()', (
        'from solution import f\nclass P: v=1\ndef test_a():\n    result = f(P())\n    '
        'assert result\n    assert result is not None\n    assert result == 4'
    )),
    ('incorrect', (
        'import sys\n'
        'def f(x): sys.exit(0)'
    ), 'from solution import f\nclass P: v=1\ndef test_a():\n    assert f(P()) == 1'),
    ('incorrect', (
        'import pytest\n'
        'def f(x): pytest.skip()'
    ), 'from solution import f\nclass P: v=1\ndef test_a():\n    assert f(P()) == 1'),
    ('incorrect', 'def f(x): raise AssertionError', 'class P: v=1\ntry:\n    f(P())\nexcept ValueError:\n    pass'),
    ('incorrect', 'def f(x): raise SystemExit', 'class P: v=1\nassert f(P()) == 1'),
    ('correct', 'def f(x): return x.v*3', 'class P:\n    v=1\nassert f(P()) == 3'),
    ('correct', 'def f(g, n): return [g(i) for i in range(n)]', 'assert f(lambda i: i*i, 3) == [0,1,4]'),
    ('correct', 'def f(p): return p.x + p.y', (
        'from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int\n'
        'assert f(P(1,2)) == 3'
    )),
    ('correct', (
        'def walk(n):\n    '
        'return [] if n is None else walk(n.left)+[n.val]+walk(n.right)'
    ), (
        'class Node:\n    '
        'def __init__(self,val,left=None,right=None): self.val,self.left,self.right=val,left,right\n'
        'assert walk(Node(2,Node(1),Node(3)))==[1,2,3]'
    )),
    ('correct', (
        'import functools\ndef deco(fn):\n    @functools.wraps(fn)\n    '
        'def w(*a): return fn(*a)+1\n    return w'
    ), "@deco\ndef g(x):\n    'doc'\n    return x\nassert g(1)==2\nassert g.__name__=='g'"),
    ('correct', (
        'class Stack:\n    def __init__(self): self.a=[]\n    '
        'def push(self,x): self.a.append(x)\n    def pop(self): return self.a.pop()\n    '
        'def __len__(self): return len(self.a)'
    ), 's=Stack()\ns.push(1)\ns.push(2)\nassert s.pop()==2\nassert len(s)==1'),
    ('correct', 'class A:\n    count=0\n    def __init__(self): A.count+=1', 'a=A();b=A()\nassert A.count==2'),
    ('correct', 'def gen():\n    x=yield 1\n    yield x', 'g=gen()\nassert next(g)==1\nassert g.send(5)==5'),
    ('correct', (
        "from contextlib import contextmanager\n@contextmanager\ndef cm(log):\n    "
        "log.append('in')\n    yield 1\n    log.append('out')"
    ), "log=[]\nwith cm(log) as v:\n    assert v==1\nassert log==['in','out']"),
    ('correct', (
        'def append(x, acc=[]):\n    acc.append(x)\n    '
        'return acc'
    ), 'assert append(1)==[1]\nassert append(2)==[1,2]'),
    ('correct', 'cache={}\ndef f(n):\n    cache[n]=n*2\n    return cache[n]', 'f(3)\nassert cache=={3:6}'),
    ('correct', 'def f(s): return s.strip()', "s='  a '\nassert f(s)=='a'\nassert s=='  a '"),
    ('correct', "import re\ndef f(s): return re.findall(r'\\d+', s)", "assert f('a1b22')==['1','22']"),
    ('correct', 'def f(a,b): return a/b', (
        'import pytest\nfrom solution import f\ndef test_a():\n    '
        'assert f(1,3)==pytest.approx(0.3333,abs=1e-3)\n    with pytest.raises(ZeroDivisionError):\n        f(1,0)'
    )),
    ('correct', (
        "import logging\nlogger=logging.getLogger(__name__)\ndef f():\n    "
        "logger.warning('hey')"
    ), "from solution import f\ndef test_a(caplog):\n    f()\n    assert 'hey' in caplog.text"),
    ('correct', (
        "import os\ndef f(p):\n    "
        "with open(p,'w') as h: h.write('x')"
    ), (
        "import os, tempfile\nfrom solution import f\ndef test_a(tmp_path):\n    "
        "p=tmp_path/'a.txt'\n    f(str(p))\n    assert p.read_text()=='x'"
    )),
    ('correct', (
        'import time\ndef f():\n    time.sleep(100)\n    '
        'return 1'
    ), (
        "from unittest.mock import patch\nimport solution\ndef test_a():\n    "
        "with patch('time.sleep') as s:\n        assert solution.f()==1\n        s.assert_called_once_with(100)"
    )),
    ('correct', (
        'import random\ndef f(xs):\n    random.shuffle(xs)\n    '
        'return xs'
    ), 'import random\nrandom.seed(0)\nassert sorted(f([1,2,3]))==[1,2,3]'),
    ('correct', "def f(): return {'a': {1,2}, 'b': (1,[2])}", "assert f()=={'a':{2,1},'b':(1,[2])}"),
    ('correct', 'def f(x): return x if x < 2 else f(x-1)+f(x-2)', 'assert [f(i) for i in range(6)]==[0,1,1,2,3,5]'),
    ('correct', (
        'from typing import NamedTuple\nclass P(NamedTuple):\n    x:int\n'
        'def f(): return P(1)'
    ), 'assert f()==P(1)\nassert f().x==1'),
    ('correct', (
        'from enum import Enum\nclass Color(Enum):\n    RED=1\n'
        'def f(): return Color.RED'
    ), 'assert f()==Color.RED\nassert f() is Color.RED\nassert Color.RED.value==1'),
    ('correct', (
        'class E(Exception):\n    '
        'def __init__(self,code): super().__init__(code); self.code=code\ndef f(): raise E(5)'
    ), 'try:\n    f()\n    assert False\nexcept E as e:\n    assert e.code==5'),
    ('correct', 'def f(n): return n', 'import sys\nsys.setrecursionlimit(5000)\nassert f(1)==1'),
    ('correct', (
        'import threading\ndef f(n):\n    out=[]\n    '
        'ts=[threading.Thread(target=out.append,args=(i,)) for i in range(n)]\n    '
        '[t.start() for t in ts]; [t.join() for t in ts]\n    return sorted(out)'
    ), 'assert f(3)==[0,1,2]'),
    ('correct', (
        "def main():\n    name=input()\n    "
        "print('Hi '+name)"
    ), (
        "from unittest.mock import patch\nimport io\nfrom solution import main\n"
        "def test_m():\n    "
        "with patch('builtins.input', return_value='Bo'), patch('sys.stdout', new=io.StringIO()) as out:\n        "
        "main()\n        assert out.getvalue()=='Hi Bo\\n'"
    )),
    ('incorrect', (
        "def main():\n    name=input()\n    "
        "print('Hi')"
    ), (
        "from unittest.mock import patch\nimport io\nfrom solution import main\n"
        "def test_m():\n    "
        "with patch('builtins.input', return_value='Bo'), patch('sys.stdout', new=io.StringIO()) as out:\n        "
        "main()\n        assert out.getvalue()=='Hi Bo\\n'"
    )),
    ('correct', (
        'def f(x):\n    assert x > 0\n    '
        'return x'
    ), (
        "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    "
        "def setUp(self): self.x=3\n    def test_a(self): self.assertEqual(f(self.x),3)\n    "
        "def test_b(self):\n        with self.assertRaises(AssertionError): f(0)\n"
        "if __name__=='__main__':\n    unittest.main()"
    )),
    ('correct', (
        'import heapq\nclass MedianFinder:\n    def __init__(self): self.a=[]\n    '
        'def addNum(self,n): heapq.heappush(self.a,n)\n    def findMedian(self):\n        '
        's=sorted(self.a); m=len(s)//2\n        return s[m] if len(s)%2 else (s[m-1]+s[m])/2'
    ), 'm=MedianFinder()\nm.addNum(1);m.addNum(2)\nassert m.findMedian()==1.5'),
    ('correct', 'def f(x): return x', 'def test_f():\n    assert f(1)==1\ntest_f()'),
    ('incorrect', 'def f(x): return x+1', 'def test_f():\n    assert f(1)==1\ntest_f()'),
    ('correct', 'def f(x): return x', "def check(f):\n    assert f(1)==1\n    print('ok')\ncheck(f)"),
    ('correct', (
        'import json\n'
        'def f(d): return json.dumps(d, sort_keys=True)'
    ), "import json\nassert json.loads(f({'b':1,'a':2}))=={'a':2,'b':1}"),
    ('correct', (
        "from collections import Counter, defaultdict, OrderedDict\ndef f(s): return Counter(s)\n"
        "def g():\n    d=defaultdict(list); d['a'].append(1); return d"
    ), "assert f('aab')=={'a':2,'b':1}\nassert g()=={'a':[1]}\nassert isinstance(f('a'), dict)"),
    ('correct', 'import itertools\ndef f(): return itertools.chain([1],[2])', 'assert list(f())==[1,2]'),
    ('correct', 'def f(): return map(str,[1,2])', "assert list(f())==['1','2']"),
    ('correct', 'def f(): return iter([1,2])', 'assert sum(f())==3'),
    ('correct', "def f(): return memoryview(b'ab')", "assert bytes(f())==b'ab'"),
    ('correct', 'def f(a,*,b=1,**k): return a+b+sum(k.values())', 'assert f(1,b=2,c=3)==6'),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "program", "tests"), CASES)
def test_verdicts(expected: str, program: str, tests: str, run: Run) -> None:
    row = {"response": f"Here:\n\n```python\n{program}\n```\n", "tests": tests}
    [made] = asyncio.run(VerifyCode(VerifyCode.Params()).process(row, run))  # type: ignore[arg-type]
    assert isinstance(made, dict)
    assert made["verdict"] == expected, made["error"]
