"""Words and signs that distinguish two problems with the same wording, such as `more` and `fewer`.

A family holds meanings that exclude each other, each with the words for it: "greatest" for "largest" changes nothing,
"smallest" does. Two texts conflict where one has a meaning that the other lacks and the other another one of the same
family instead. English, and some of the most frequent words of Chinese, German, French, Spanish and Russian.
"""

from __future__ import annotations

from dqdata_operators.lib.texts.number_words import SCALES, SMALL

NEGATIONS = (
    "not no never none neither nor nobody nothing without except excluding unless nicht kein keine keinen nie ohne "
    "не нет ни без jamais sans aucun sin ninguna ninguno nunca 不 没 無 无 非 未 勿"
).split()
EACH = "each apiece per every je jeweils 每 各".split()
ALTERNATIVES = "or either oder ou или 或".split()
FAMILIES = tuple(
    tuple(meaning.split() for meaning in family.split("/"))
    for family in (
        "more additional extra exceeds exceed mehr больше 多/less fewer weniger moins menos меньше 少",
        "most maximum max maximal maximize maximizes largest biggest greatest highest longest tallest heaviest oldest "
        "fastest latest 最大/least minimum min minimal minimize minimizes smallest lowest shortest lightest youngest "
        "slowest earliest fewest 最小",
        "greater larger bigger higher taller longer heavier older faster above exceeding/smaller lower shorter lighter "
        "younger slower below",
        "increase increases increased increasing rises rise rose grew grows ascending 增/decrease decreases decreased "
        "decreasing falls fell shrinks reduced reduces dropped drops descending 减 降",
        "add adds added adding/subtract subtracts subtracted subtracting/multiply multiplied multiplies multiplying/"
        "divide divided divides dividing",
        "sum total altogether combined 和/difference 差/product 积/quotient 商/remainder modulo 余/mean average 均/"
        "median/mode/range/variance/gcd gcf hcf/lcm",
        "double doubled doubles twice/triple tripled triples thrice/half halved halves halfway/quadruple quadrupled",
        "square squares squared/cube cubes cubed",
        "area 面 fläche площадь/perimeter circumference 周 umfang периметр/volume 体/diagonal/length 长/width 宽/"
        "height 高/depth",
        "radius/diameter/chord/circumradius/inradius",
        "hypotenuse/leg legs",
        "altitude altitudes/median medians/bisector bisectors",
        "domain/range", "numerator/denominator", "slope gradient/intercept",
        "sine sin/cosine cos/tangent tan/cot/sec/csc",
        "arcsin/arccos/arctan", "interior inside internal inscribed/exterior outside external circumscribed",
        "factor factors divisor divisors/multiple multiples", "even/odd", "prime primes/composite",
        "positive/negative/nonnegative/nonpositive/nonzero/zero", "rational/irrational", "real/complex/imaginary",
        "finite/infinite", "equal same identical/different distinct unequal common", "convex/concave",
        "parallel/perpendicular orthogonal", "horizontal horizontally/vertical vertically", "acute/obtuse",
        "equilateral/isosceles/scalene", "right rightmost/left leftmost", "arithmetic/geometric/harmonic",
        "triangle triangles/rectangle rectangles/circle "
        "circles/square/trapezoid/parallelogram/rhombus/pentagon/hexagon/"
        "octagon/ellipse/parabola/hyperbola",
        "sphere spheres/cylinder cylinders/cone cones/pyramid pyramids/prism prisms/cube",
        "permutation permutations/combination combinations", "union/intersection", "derivative/integral/limit",
        "log/ln/exp", "floor/ceil ceiling", "clockwise/counterclockwise anticlockwise",
        "before prior earlier previous/after later next following", "start starts started beginning begins began/"
        "end ends ended ending", "first 1st/second 2nd/third 3rd/fourth 4th/fifth 5th/sixth 6th/seventh 7th/eighth 8th/"
        "tenth 10th/last final", "north northern/south southern/east eastern/west western",
        "up upward upwards upstream/down downward downwards downstream", "front/back", "top/bottom",
        "true correct valid/false incorrect wrong invalid",
        "buy buys bought purchase purchases purchased/sell sells sold",
        "gives gave give/receives received receive gets got", "profit/loss", "discount/tax",
        "deposit deposits deposited/withdraw withdraws withdrew",
        "monday/tuesday/wednesday/thursday/friday/saturday/sunday",
        "january/february/april/june/july/august/september/october/november/december",
        "morning/afternoon/evening/night",
        "second seconds/minute minutes/hour hours hourly/day days daily/week weeks weekly/month months monthly/"
        "year years yearly annually",
        "mile miles/kilometer kilometers kilometre kilometres km/meter meters metre metres/centimeter centimeters cm/"
        "millimeter millimeters mm/inch inches/foot feet ft/yard yards",
        "pound pounds lb lbs/ounce ounces oz/gram grams/kilogram kilograms kg/ton tons",
        "gallon gallons/liter liters litre litres/quart quarts/pint pints", "celsius/fahrenheit",
        "degree degrees/radian radians", "cent cents/euro euros/dollar dollars",
        "red/blue/green/yellow/white/black/orange/purple/brown/pink",
        "boy boys/girl girls", "male males men man/female females women woman", "brother brothers/sister sisters",
        "son sons/daughter daughters", "mother mom/father dad", "child children kid kids/adult adults",
        "uppercase upper/lowercase lower", "vowel vowels/consonant consonants", "row rows/column columns",
        "prefix/suffix", "leading/trailing", "encode/decode", "encrypt/decrypt", "push/pop",
        "insert/delete remove removes",
        "key keys/value values", "include includes including/exclude excludes excluding",
        "internal/external", "surface/volume", "binary/decimal/hexadecimal/octal", "only/all/any",
    )
)  # fmt: skip
NUMERALS = {word: float(value) for word, value in (SMALL | SCALES).items() if word != "one"} | {
    "dozen": 12.0, "thrice": 3.0, "triple": 3.0, "quarter": 0.25, "quarters": 0.25, "一": 1.0, "二": 2.0, "两": 2.0,
    "三": 3.0, "四": 4.0, "五": 5.0, "六": 6.0, "七": 7.0, "八": 8.0, "九": 9.0, "十": 10.0, "百": 100.0, "千": 1e3,
    "万": 1e4,
}  # fmt: skip
"""One is missing: as a word it is mostly an article or a pronoun."""
GLYPHS = {
    "多少": " 几 ", "×": "*", "·": "*", "∙": "*", "⋅": "*", "✕": "*", "÷": "/", "⁄": "/", "∕": "/", "⩽": "≤", "⩾": "≥",
        "≦": "≤",
    "≧": "≥", "∣": "|", "π": " pi ", "α": " alpha ", "β": " beta ", "γ": " gamma ", "θ": " theta ", "λ": " lambda ",
    "μ": " mu ", "σ": " sigma ", "φ": " phi ", "ω": " omega ", "Δ": " triangle ", "△": " triangle ", "√": " √ ",
    "∑": " sum ", "∏": " prod ", "∫": " int ", "°": " ° ", "′": " ", "″": " ", "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip
