"""The demo's catalogue, first half: categories, substrates, fertilisers, lights and tents."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

Option = tuple[str, int, str]


class Item(NamedTuple):
    """A product. `variants` maps a variant's name to its options: name, units, price adjustment."""

    name: str
    brand: str
    category: str
    price: str
    stock: int
    text: str
    discount: int = 0
    currency: str = "ARS"
    volume: str = ""
    dimensions: str = ""
    variants: Mapping[str, tuple[Option, ...]] = MappingProxyType({})


# Each top category with those below it.
TREE: dict[str, tuple[str, ...]] = {
    "Sustratos": ("Tierras y mezclas", "Fibra de coco", "Enmiendas"),
    "Fertilizantes": ("Crecimiento", "Floración", "Raíces y estimulantes"),
    "Iluminación": ("Paneles LED", "Lámparas CMH y sodio", "Accesorios de luz"),
    "Carpas de cultivo": ("Carpas", "Kits de cultivo"),
    "Ventilación": ("Extractores", "Filtros de carbón", "Ventiladores"),
    "Macetas": ("Macetas de tela", "Macetas de plástico", "Bandejas y platos"),
    "Riego e hidroponia": ("Riego por goteo", "Hidroponia"),
    "Medición": ("pH y EC", "Clima"),
    "Sanidad vegetal": ("Preventivos", "Trampas"),
    "Propagación": ("Germinación", "Esquejes"),
    "Poscosecha": ("Secado", "Conservación"),
}

_FERTILISER_SIZES: tuple[Option, ...] = (("250 ml", 18, "0.00"), ("500 ml", 24, "4200.00"), ("1 L", 15, "9800.00"))

# A table is read by its rows.
# fmt: off
ITEMS: tuple[Item, ...] = (
    Item("Sustrato Light Mix 50 L", "Tierra Andina", "Tierras y mezclas", "18900.00", 140,
         "Mezcla liviana y aireada de turba rubia y perlita, lista para usar.", volume="50 L"),
    Item("Sustrato All Mix 50 L", "Tierra Andina", "Tierras y mezclas", "21500.00", 90,
         "Abonado de base para seis semanas, con humus y turba negra.", volume="50 L"),
    Item("Sustrato para plantines 20 L", "Vivero Sur", "Tierras y mezclas", "9800.00", 70,
         "De grano fino y poca sal, para semillas y esquejes.", 10, volume="20 L"),
    Item("Tierra orgánica compostada 25 L", "Vivero Sur", "Tierras y mezclas", "7600.00", 65,
         "Compost maduro y tamizado de origen vegetal.", volume="25 L"),
    Item("Ladrillo de fibra de coco 650 g", "CocoPampa", "Fibra de coco", "5400.00", 120,
         "Se hidrata con cuatro litros de agua y rinde nueve.", volume="9 L"),
    Item("Fibra de coco lavada 50 L", "CocoPampa", "Fibra de coco", "23900.00", 48,
         "Lavada y estabilizada con calcio, de conductividad baja.", volume="50 L"),
    Item("Chips de coco 10 L", "CocoPampa", "Fibra de coco", "8900.00", 36,
         "Trozos gruesos que drenan y airean el fondo de la maceta.", volume="10 L"),
    Item("Perlita agrícola", "Minerales del Plata", "Enmiendas", "6200.00", 0,
         "Perlita expandida gruesa para airear cualquier mezcla.",
         variants={"Tamaño": (("5 L", 40, "0.00"), ("20 L", 30, "9400.00"), ("100 L", 12, "31500.00"))}),
    Item("Vermiculita fina 5 L", "Minerales del Plata", "Enmiendas", "7100.00", 44,
         "Retiene agua y nutrientes; ideal para germinar.", volume="5 L"),
    Item("Humus de lombriz 10 L", "La Lombriz Feliz", "Enmiendas", "6800.00", 85,
         "Humus vivo y tamizado, rico en microorganismos.", 15, volume="10 L"),
    Item("Harina de hueso 1 kg", "La Lombriz Feliz", "Enmiendas", "4900.00", 52,
         "Fósforo y calcio de liberación lenta.", volume="1 kg"),
    Item("Grow Base A+B", "NutriSol", "Crecimiento", "14800.00", 0,
         "Nutrición mineral completa en dos partes para la etapa vegetativa.",
         variants={"Tamaño": _FERTILISER_SIZES}),
    Item("Bio Grow orgánico", "NutriSol", "Crecimiento", "12900.00", 0,
         "A base de melaza de remolacha; sirve en tierra y no quema.",
         variants={"Tamaño": _FERTILISER_SIZES}),
    Item("Guano de pájaro 1 kg", "Costa Fértil", "Crecimiento", "9900.00", 40,
         "Nitrógeno orgánico de acción rápida.", volume="1 kg"),
    Item("Cal-Mag 500 ml", "NutriSol", "Crecimiento", "11400.00", 57,
         "Calcio y magnesio quelados para agua blanda y fibra de coco.", volume="500 ml"),
    Item("Bloom Base A+B", "NutriSol", "Floración", "15600.00", 0,
         "Fósforo y potasio en equilibrio para toda la floración.",
         variants={"Tamaño": _FERTILISER_SIZES}),
    Item("PK 13-14 500 ml", "NutriSol", "Floración", "13900.00", 46,
         "Refuerzo para la segunda mitad de la floración.", 12, volume="500 ml"),
    Item("Top Bloom en polvo 100 g", "Costa Fértil", "Floración", "8700.00", 33,
         "Concentrado soluble: un gramo rinde cinco litros.", volume="100 g"),
    Item("Melaza de caña 1 L", "La Lombriz Feliz", "Floración", "6900.00", 61,
         "Azúcares naturales que alimentan la vida del suelo.", volume="1 L"),
    Item("Enraizante en gel 60 ml", "RaízPlus", "Raíces y estimulantes", "7800.00", 58,
         "Con ácido indolbutírico, para esquejes de madera blanda.", volume="60 ml"),
    Item("Estimulador de raíces", "RaízPlus", "Raíces y estimulantes", "16900.00", 0,
         "Vitaminas y aminoácidos para las primeras tres semanas.", 10,
         variants={"Tamaño": _FERTILISER_SIZES}),
    Item("Micorrizas solubles 50 g", "RaízPlus", "Raíces y estimulantes", "12500.00", 27,
         "Esporas de Glomus que multiplican la superficie de la raíz.", volume="50 g"),
    Item("Trichoderma en polvo 100 g", "RaízPlus", "Raíces y estimulantes", "9400.00", 31,
         "Hongo benéfico que protege el cuello y la raíz.", volume="100 g"),
    Item("Panel LED 100 W Full Spectrum", "LumiGrow", "Paneles LED", "129.00", 34,
         "Diodos Samsung LM301 y regulador; cubre 60 x 60 cm.", currency="USD", dimensions="30 x 25 x 6 cm"),
    Item("Panel LED 240 W Full Spectrum", "LumiGrow", "Paneles LED", "259.00", 22,
         "Fuente Mean Well y regulador; cubre un metro cuadrado.", 8, "USD", dimensions="60 x 45 x 6 cm"),
    Item("Panel LED 480 W plegable", "LumiGrow", "Paneles LED", "489.00", 9,
         "Seis barras para carpas de 120 x 120 cm.", currency="USD", dimensions="110 x 110 x 8 cm"),
    Item("Lámpara LED 20 W para plantines", "Foco Verde", "Paneles LED", "15900.00", 45,
         "Rosca E27 y espectro completo, para estantes y propagadores."),
    Item("Kit CMH 315 W", "Foco Verde", "Lámparas CMH y sodio", "219.00", 11,
         "Balasto digital, reflector y lámpara 3100 K.", currency="USD", dimensions="55 x 38 x 20 cm"),
    Item("Lámpara de sodio 400 W", "Foco Verde", "Lámparas CMH y sodio", "28900.00", 26,
         "Dual spectrum, para crecimiento y floración."),
    Item("Reflector Cooltube 125 mm", "Foco Verde", "Lámparas CMH y sodio", "46500.00", 12,
         "Vidrio templado y bocas de 125 mm para sacar el calor.", 20, dimensions="50 x 17 x 17 cm"),
    Item("Temporizador digital 16 A", "Foco Verde", "Accesorios de luz", "17900.00", 63,
         "Veinte programas y batería que guarda la hora."),
    Item("Poleas regulables (par)", "Foco Verde", "Accesorios de luz", "9900.00", 88,
         "Suben y bajan hasta 68 kg con un dedo."),
    Item("Anteojos de cultivo", "LumiGrow", "Accesorios de luz", "21500.00", 19,
         "Filtran la luz LED y muestran el color real de las hojas."),
    Item("Carpa indoor", "Refugio", "Carpas", "89900.00", 0,
         "Mylar 600D, costuras con triple puntada y bandeja desmontable.", 5,
         variants={"Medida": (("60 x 60 x 140 cm", 14, "0.00"), ("80 x 80 x 160 cm", 11, "38000.00"),
                              ("120 x 120 x 200 cm", 7, "105000.00")),
                   "Color": (("Negro", 20, "0.00"), ("Verde", 8, "3500.00"))}),
    Item("Carpa propagadora 60 x 40 x 40 cm", "Refugio", "Carpas", "54900.00", 16,
         "Para esquejes y plantas madre, con ventanas a los lados.", dimensions="60 x 40 x 40 cm"),
    Item("Carpa 240 x 120 x 200 cm", "Refugio", "Carpas", "329.00", 5,
         "Dos puertas y caños de 22 mm para colgar 80 kg.", currency="USD", dimensions="240 x 120 x 200 cm"),
    Item("Kit indoor 60 x 60 con LED 100 W", "Refugio", "Kits de cultivo", "349.00", 8,
         "Carpa, panel, extractor, filtro, macetas y temporizador.", 10, "USD"),
    Item("Kit indoor 100 x 100 con LED 240 W", "Refugio", "Kits de cultivo", "599.00", 6,
         "Todo lo necesario para un metro cuadrado.", 10, "USD"),
)
