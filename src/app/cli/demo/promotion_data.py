"""Which products the demo's flash promotions are about."""

# On at the first store for a day, one after the other: the next one begins when the shopper cannot hold another unit.
ACTIVE = ("Sustrato Light Mix 50 L", "Termohigrómetro con sonda", "Aceite de neem 250 ml", "Tijera de poda curva")
SOON = "Medidor de pH de bolsillo"
ENDED = "Humus de lombriz 10 L"
PROMOTED = frozenset({*ACTIVE, SOON, ENDED})
