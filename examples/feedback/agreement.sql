select winner_by, count(*) as pairs, avg((winner = 'tie')::int) as ties,
    avg((winner_first <> winner_swapped)::int) as order_matters,
    count(winner_verified) as told_apart, avg(winner_verified::int) as agrees
from compared group by 1
