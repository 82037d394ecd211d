"""Every table of the studio, one module per noun."""

from __future__ import annotations

from studio.models.account import Orphan, Price, ProviderAccount, User
from studio.models.bulk import BulkItem, BulkRun
from studio.models.chain import Chain, Export, Segment
from studio.models.exchange import ImportRun
from studio.models.finding import Collection, CollectionItem, SavedView, SearchText, Tag
from studio.models.generation import Generation, GenerationEvent
from studio.models.keyframe import Keyframe
from studio.models.library import BlindPair, BlindTest, BlindVote, FavouritePrompt, Preset
from studio.models.money import LedgerEntry, SpendRequest, StudioSettings
from studio.models.news import Activity, Notification, Webhook, WebhookDelivery
from studio.models.project import Invite, Membership, Project
from studio.models.rate_limit import RateLimit
from studio.models.review import Comment, GivenVerdict, Seen
from studio.models.sharing import Guest, Share

__all__ = [
    "Activity",
    "BlindPair",
    "BlindTest",
    "BlindVote",
    "BulkItem",
    "BulkRun",
    "Chain",
    "Collection",
    "CollectionItem",
    "Comment",
    "Export",
    "FavouritePrompt",
    "Generation",
    "GenerationEvent",
    "GivenVerdict",
    "Guest",
    "ImportRun",
    "Invite",
    "Keyframe",
    "LedgerEntry",
    "Membership",
    "Notification",
    "Orphan",
    "Preset",
    "Price",
    "Project",
    "ProviderAccount",
    "RateLimit",
    "SavedView",
    "SearchText",
    "Seen",
    "Segment",
    "Share",
    "SpendRequest",
    "StudioSettings",
    "Tag",
    "User",
    "Webhook",
    "WebhookDelivery",
]
