"""The scheduler: arming, sweeping, rescuing and the timetable, under one advisory lock."""
