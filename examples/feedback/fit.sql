select teacher, count(*) as traces, avg(correct::int) as pass_rate, avg(student_tokens) as tokens,
    avg(student_nll) as nll, avg(student_rank) as token_rank, avg(student_rsr) as rsr
from measured group by teacher order by rsr
