"""Instructions for people on how to show the seven emotions."""

from typing import Final

ORDER: Final = ("neutral", "happy", "surprise", "sad", "angry", "fear", "disgust")
"""Easy ones first."""
EXAMPLES: Final = {
    "neutral": "You are waiting for a bus, thinking of nothing in particular. Let your face rest: "
    "lips closed, brows relaxed.",
    "happy": "A friend you have missed for a long time comes through the door. Let the smile "
    "reach your eyes.",
    "surprise": "You open the door, and there is a party for you. Brows up, eyes wide, mouth open.",
    "sad": "You have just heard that something you were looking forward to will not happen. The "
    "inner ends of your brows go up, the corners of your mouth go down.",
    "angry": "Somebody pushes in front of you for the third time. Brows down and together, a hard "
    "look, lips pressed.",
    "fear": "A car comes straight at you and you cannot get away. Brows up and together, eyes "
    "wide, lips drawn back.",
    "disgust": "You take a sip of milk, and it has gone off. Wrinkle your nose, raise your upper "
    "lip.",
}
