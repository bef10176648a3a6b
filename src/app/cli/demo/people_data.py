"""The demo's accounts and stores."""

from typing import NamedTuple


class Person(NamedTuple):
    """An account. `metres` and `bearing` (degrees from north) lead from the first store to its position."""

    username: str
    password: str
    first_name: str
    last_name: str
    role: str
    staff: bool = False
    metres: int | None = None
    bearing: int = 0


class Place(NamedTuple):
    name: str
    lat: float
    lon: float


ADMIN, OWNER, NEWCOMER = "admin", "tienda", "ana"
REGULARS = ("beto", "carla")

PEOPLE: tuple[Person, ...] = (
    Person(ADMIN, "admin-demo-2026", "Admin", "Relámpago", "superuser", staff=True),
    Person(OWNER, "tienda-demo-2026", "Teresa", "Iglesias", "owner of the first store"),
    Person(
        NEWCOMER, "ana-demo-2026", "Ana", "Gómez", "new shopper, 400 m from the first store", metres=400, bearing=120
    ),
    Person("beto", "beto-demo-2026", "Beto", "Fernández", "frequent shopper, 1.2 km away", metres=1200, bearing=200),
    Person("carla", "carla-demo-2026", "Carla", "Ruiz", "frequent shopper, 5 km away", metres=5000, bearing=225),
)

# Landmarks of Buenos Aires; the first is the one that the accounts live around.
PLACES: tuple[Place, ...] = (
    Place("Palermo, Plaza Serrano", -34.58868, -58.43025),
    Place("Centro, Obelisco", -34.60374, -58.38159),
    Place("San Telmo, Plaza Dorrego", -34.62037, -58.37171),
    Place("Recoleta, Plaza Francia", -34.58561, -58.39186),
    Place("Caballito, Parque Rivadavia", -34.61786, -58.43330),
    Place("Belgrano, Barrancas", -34.55960, -58.44890),
    Place("Villa Crespo, Corrientes y Malabia", -34.59903, -58.43929),
    Place("Almagro, Plaza Almagro", -34.60644, -58.42026),
    Place("Flores, Plaza Pueyrredón", -34.62864, -58.46389),
    Place("La Boca, Caminito", -34.63910, -58.36275),
    Place("Núñez, Estadio Monumental", -34.54533, -58.44976),
    Place("Chacarita, Federico Lacroze", -34.58701, -58.45513),
)
