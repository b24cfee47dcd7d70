"""From settings to a driver; each is imported only where it is asked for."""

from affectline.common.settings.biometrics import BiometricsSettings
from affectline.services.biometrics.driver import Clock, Driver


def make_driver(settings: BiometricsSettings, clock: Clock) -> Driver:
    """Make the driver that the settings ask for; it is not opened yet.

    Raises:
        AffectlineError: A package that it needs is not installed.
    """
    match settings.driver:
        case "ble":
            from affectline.services.biometrics.ble import Strap

            return Strap(settings, clock)
        case "lsl":
            from affectline.services.biometrics.lsl import Inlet

            return Inlet(settings, clock)
        case "brainflow":
            from affectline.services.biometrics.brainflow_board import Board

            return Board(settings, clock)
        case "e4":
            from affectline.services.biometrics.e4 import E4

            return E4(settings, clock)
        case "csv":
            from affectline.services.biometrics.csv_file import CsvFile

            return CsvFile(settings, clock)
        case "synthetic":
            from affectline.services.biometrics.synthetic import SyntheticPerson

            return SyntheticPerson(settings, clock)
