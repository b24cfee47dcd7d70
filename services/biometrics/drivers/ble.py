"""Heart-rate straps over Bluetooth Low Energy, through bleak.

Any strap with the standard Heart Rate Service works: Polar, Garmin, Wahoo, Movesense and so on.
"""

from typing import Literal

from affectline.services.biometrics.bluetooth import BluetoothStrap, StrapSettings


class BleSettings(StrapSettings):
    """One heart-rate strap; without address and name the first one found."""

    driver: Literal["ble"] = "ble"


class BleHeartRate(BluetoothStrap):
    """A heart-rate strap with the standard Heart Rate Service."""

    settings_model = BleSettings
