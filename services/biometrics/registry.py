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
            from affectline.services.biometrics.drivers.ble import BleHeartRate

            return BleHeartRate(settings, clock)
        case "lsl":
            from affectline.services.biometrics.drivers.lsl import LslDriver

            return LslDriver(settings, clock)
        case "brainflow":
            from affectline.services.biometrics.drivers.brainflow import BrainFlowDriver

            return BrainFlowDriver(settings, clock)
        case "e4":
            from affectline.services.biometrics.drivers.e4 import E4Driver

            return E4Driver(settings, clock)
        case "csv":
            from affectline.services.biometrics.drivers.csv import CsvDriver

            return CsvDriver(settings, clock)
        case "synthetic":
            from affectline.services.biometrics.drivers.synthetic import SyntheticDriver

            return SyntheticDriver(settings, clock)
